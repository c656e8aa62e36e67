"""What a person says to a running campaign, read from the ledger: pause, resume, stop, messages.

Invariant: a request counts from the moment it is written; handling it only marks who heard it.
"""

import time
from collections.abc import Callable

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import HandledMark, RequestKind, RequestRecord, utc_now

POLL_S = 0.5


class CampaignSteering:
    """Steering of one campaign; implements `rsi.agent.types.Steering`."""

    def __init__(
        self, ledger: Ledger, campaign_id: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._ledger = ledger
        self._campaign_id = campaign_id
        self._sleep = sleep

    def is_stopping(self) -> bool:
        """Whether a person asked for the end, and not afterwards for the campaign to go on."""
        last = [
            each.kind
            for each in self._requests()
            if each.kind in {RequestKind.STOP, RequestKind.RETRY}
        ]
        return bool(last) and last[-1] is RequestKind.STOP

    def is_paused(self) -> bool:
        """Whether the latest of pause and resume was pause."""
        last = [
            each.kind
            for each in self._requests()
            if each.kind in {RequestKind.PAUSE, RequestKind.RESUME}
        ]
        return bool(last) and last[-1] is RequestKind.PAUSE

    def wait_for_go(self) -> bool:
        """Block while paused; False when the campaign must stop now."""
        while self.is_paused() and not self.is_stopping():
            self._sleep(POLL_S)
        return not self.is_stopping()

    def messages(self) -> tuple[str, ...]:
        """Messages that nobody delivered yet, oldest first; marks them as delivered."""
        return tuple(
            str(each.payload.get("text", ""))
            for each in self._requests(unhandled_only=True)
            if each.kind is RequestKind.MESSAGE and self._take(each, "delivered")
        )

    def budgets(self) -> dict[str, object]:
        """Latest wish for each limit, by its setting's name such as "budget_usd"."""
        wishes: dict[str, object] = {}
        for each in self._requests():
            if each.kind is RequestKind.BUDGET:
                wishes.update(each.payload)
        return wishes

    def _requests(self, *, unhandled_only: bool = False) -> tuple[RequestRecord, ...]:
        return self._ledger.requests(unhandled_only=unhandled_only, campaign_id=self._campaign_id)

    def _take(self, request: RequestRecord, outcome: str) -> bool:
        return self._ledger.mark_handled(
            HandledMark(request_id=request.id, at=utc_now(), actor="worker", outcome=outcome)
        )
