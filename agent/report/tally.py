"""A campaign in one line: how its rounds ended, which planted cheats were caught, the measured speedup."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.policy.audits import claimed_speedup, newest_audit
from rsi.agent.report.task_facts import facts_of
from rsi.agent.store.events import AUDITED_BEFORE, CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.state import RoundVerdict
from rsi.evals.types import Interval, Verdict

WITHOUT_EVIDENCE = frozenset(
    {
        RoundVerdict.INVALID,
        RoundVerdict.CRASHED,
        RoundVerdict.TIMEOUT,
        RoundVerdict.OOM,
        RoundVerdict.INVALID_OUTPUT,
        RoundVerdict.TAMPERED,
        RoundVerdict.OUT_OF_TURN,
        RoundVerdict.NOT_ADMITTED,
        RoundVerdict.NO_PATCH,
        RoundVerdict.EMPTY,
        RoundVerdict.OUT_OF_BUDGET,
        RoundVerdict.DOES_NOT_APPLY,
        RoundVerdict.HARNESS_ERROR,
    }
)
"""Verdicts of rounds that ended before there was a measured effect to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a campaign went."""

    promoted: int
    refuted: int
    inconclusive: int
    invalid: int
    cheats: int
    cheats_caught: int
    speedup: Interval | None
    """Champion against the round-0 baseline, re-measured and supported; None without that."""
    word: str = "gain"
    """What the ratio to the baseline is called, as the task's metric kind says."""
    gave_up: int = 0
    """Ideas that their own agent gave up: no fault of anybody's."""
    not_audited: str = ""
    """Why the end was not measured, where that is more than having failed or been stopped."""
    unsupported: Verdict | None = None
    """What the newest audit came to where it is not supported."""

    @property
    def line(self) -> str:
        """The campaign's last line."""
        ratio = (
            self.not_audited or "not measured"
            if self.unsupported is None
            else f"none, the audit is {self.unsupported}"
        )
        if self.speedup is not None:
            ratio = self.speedup.text
        gave_up = f"gave up: {self.gave_up}  " if self.gave_up else ""
        return (
            f"promoted: {self.promoted}  refuted: {self.refuted}  inconclusive: {self.inconclusive}  "
            f"invalid: {self.invalid}  {gave_up}cheats caught: {self.cheats_caught}/{self.cheats}  "
            f"{self.word} vs baseline: {ratio}"
        )


def tally(ledger: Ledger, campaign_id: str) -> Tally:
    """Count a campaign's ideas; planted cheats are counted by themselves, other controls not at all."""
    lines = RoundBook(ledger).of_campaign(campaign_id)
    record = ledger.campaign(campaign_id)
    events = ledger.campaign_events(campaign_id)
    audit = newest_audit(events)
    cheats = [each for each in lines if each.is_planted_cheat]
    verdicts = Counter(
        each.state.verdict
        for each in lines
        if not each.is_planted_cheat and not each.record.is_control
    )
    return Tally(
        promoted=sum(each.state.verdict is RoundVerdict.PROMOTED for each in lines),
        refuted=verdicts[RoundVerdict.REFUTED],
        inconclusive=verdicts[RoundVerdict.INCONCLUSIVE],
        invalid=sum(verdicts[each] for each in WITHOUT_EVIDENCE),
        cheats=len(cheats),
        gave_up=verdicts[RoundVerdict.GAVE_UP],
        cheats_caught=sum(each.is_caught for each in cheats),
        speedup=claimed_speedup(events),
        word=facts_of(record).ratio_word,
        not_audited=_audited_elsewhere(events),
        unsupported=audit.score.verdict if audit is not None and not audit.is_supported else None,
    )


def _audited_elsewhere(events: Sequence[CampaignEvent]) -> str:
    """What the end says of an audit by another campaign; empty where it says nothing of one."""
    words = [each.audit.word for each in events if each.audit is not None]
    return words[-1] if words and words[-1].startswith(AUDITED_BEFORE) else ""
