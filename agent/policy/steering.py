"""What a person says to a running campaign, read from the ledger: pause, resume, stop, other limits, messages.

Invariant: a request counts from the moment it is written; handling it only marks who heard it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import datetime

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import HandledMark, RequestKind, RequestRecord, utc_now

POLL_S = 0.5
PAUSE_KINDS = frozenset({RequestKind.PAUSE, RequestKind.RESUME})
STEERING_KINDS = PAUSE_KINDS | {RequestKind.STOP}
"""What steers rounds and means nothing any more once the campaign is over."""


def is_pause_asked(requests: Sequence[RequestRecord]) -> bool:
    """Whether a person asked for a pause, and not afterwards for the campaign to go on.

    Args:
        requests: All of one campaign, handled or not, oldest first.
    """
    return _latest(requests, PAUSE_KINDS | {RequestKind.RETRY}) is RequestKind.PAUSE


def is_stop_asked(requests: Sequence[RequestRecord]) -> bool:
    """Whether a person asked for the end, and not afterwards for the campaign to go on."""
    return _latest(requests, {RequestKind.STOP, RequestKind.RETRY}) is RequestKind.STOP


def asked_limits(requests: Sequence[RequestRecord]) -> Mapping[str, float | None]:
    """Latest wish for each limit, by its setting's name such as "budget_usd"."""
    wishes: dict[str, float | None] = {}
    for each in requests:
        if each.kind is RequestKind.BUDGET:
            wishes.update(each.payload.limits)
    return wishes


class CampaignSteering:
    """Steering of one campaign; implements `rsi.agent.types.Steering`."""

    def __init__(
        self,
        ledger: Ledger,
        campaign_id: str,
        *,
        proposal: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._campaign_id = campaign_id
        self._proposal = proposal
        self._given: set[int] = set()
        self._sleep = sleep

    def of_proposal(self, proposal: str) -> "CampaignSteering":
        """The same for one proposal, from its beginning.

        Args:
            proposal: Name of the version that is being proposed. What an earlier beginning of it was told, before a kill,
                is said again: the conversation starts anew, and a person's words belong into it.
        """
        return CampaignSteering(
            self._ledger, self._campaign_id, proposal=proposal, sleep=self._sleep
        )

    def is_stopping(self) -> bool:
        """Whether the campaign is to end now."""
        return is_stop_asked(self._requests())

    def must_hold(self) -> bool:
        """Whether the campaign is to wait now; marks pauses and their ends as heard, for this answers them."""
        asked = self._requests()
        is_held = is_pause_asked(asked) and not is_stop_asked(asked)
        self._mark(asked, PAUSE_KINDS, "held" if is_held else "goes on")
        return is_held

    def has_word_since(self, moment: datetime) -> bool:
        """Whether a person has let the campaign go on since then."""
        return any(
            each.kind is RequestKind.RESUME and each.at >= moment for each in self._requests()
        )

    def wait_for_go(self) -> bool:
        """Block while paused; False when the campaign must stop now."""
        while self.must_hold():
            self._sleep(POLL_S)
        return not self.is_stopping()

    def messages(self) -> Iterator[str]:
        """Messages that nobody delivered yet, oldest first; each is marked as delivered when the next is asked for."""
        for each in self._requests():
            if each.kind is RequestKind.MESSAGE and self._is_due(each):
                self._given.add(each.id)
                yield each.payload.text
                # Not before: a kill while it is being written down must not lose it.
                self._take(each, "delivered", self._proposal)

    def budgets(self) -> Mapping[str, float | None]:
        """See `asked_limits`."""
        return asked_limits(self._requests())

    def heed_budgets(self) -> None:
        """Mark the wishes so far as heard; for whoever is about to be bound by them."""
        self._mark(self._requests(), {RequestKind.BUDGET}, "in force")

    def close(self, word: str) -> None:
        """Mark what steered the campaign as heard now that it is over.

        Args:
            word: How it ended, such as "stopped".
        """
        self._mark(self._requests(), STEERING_KINDS, word)

    def _requests(self) -> tuple[RequestRecord, ...]:
        return self._ledger.requests(unhandled_only=False, campaign_id=self._campaign_id)

    def _mark(
        self, requests: Sequence[RequestRecord], kinds: Set[RequestKind], outcome: str
    ) -> None:
        for each in requests:
            if each.kind in kinds and each.handled is None:
                self._take(each, outcome)

    def _is_due(self, message: RequestRecord) -> bool:
        """Whether it was said to nobody, or only to an earlier beginning of the same proposal."""
        if message.id in self._given:
            return False
        told = None if message.handled is None else message.handled.detail
        return told is None or (bool(self._proposal) and told == self._proposal)

    def _take(self, request: RequestRecord, outcome: str, detail: str = "") -> bool:
        return self._ledger.mark_handled(
            HandledMark(
                request_id=request.id, at=utc_now(), actor="worker", outcome=outcome, detail=detail
            )
        )


def _latest(requests: Sequence[RequestRecord], kinds: Set[RequestKind]) -> RequestKind | None:
    return next((each.kind for each in reversed(requests) if each.kind in kinds), None)
