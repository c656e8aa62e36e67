"""A campaign in one line: how its rounds ended, which planted cheats were caught, the measured speedup."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from rsi.agent.policy.audits import claimed_speedup, newest_audit
from rsi.agent.policy.claims import Tier, claim_tier, claimed_effect, searched_effect
from rsi.agent.policy.controls import ACTOR, has_passed
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    DecisionAction,
    RoundRecord,
    Step,
)
from rsi.agent.store.state import (
    RoundPhase,
    RoundState,
    RoundVerdict,
    last_proposal,
    latest_steps,
    round_state,
)
from rsi.evals.types import Interval, Verdict

WITHOUT_EVIDENCE = frozenset(
    {
        RoundVerdict.INVALID,
        RoundVerdict.CRASHED,
        RoundVerdict.TIMEOUT,
        RoundVerdict.OOM,
        RoundVerdict.INVALID_OUTPUT,
        RoundVerdict.TAMPERED,
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
class RoundLine:
    """One round in a list."""

    record: RoundRecord
    state: RoundState
    hypothesis: str
    predicted_ratio: float | None
    effect: Interval | None
    """On fresh data where there are any, else as the search saw it; None when nothing was measured."""
    searched: Interval | None
    reason: str
    planted: Mapping[str, object] | None
    """What was planted here to test the pipeline; None for an honest idea."""
    commit: str | None
    decided_by: str | None
    tier: Tier | None = None
    """What the claim is worth; None where the screen did not support one."""
    has_reached_gate: bool = False
    """True when nothing stopped what was planted here before the gate; False for honest ideas."""

    @property
    def label(self) -> str:
        return round_label(self.record)

    @property
    def ended_as(self) -> str:
        """One word: the verdict, or what it is doing."""
        if self.state.verdict is not None:
            return self.state.verdict.value
        if self.state.phase is RoundPhase.WAITING:
            return "waiting"
        return self.state.step.value if self.state.step is not None else "done"

    @property
    def is_planted_cheat(self) -> bool:
        return self.planted is not None and self.planted.get("kind") == "cheat"

    @property
    def is_caught(self) -> bool:
        """A planted cheat that ended in one of the outcomes that were named for it beforehand."""
        if self.planted is None or not self.is_planted_cheat:
            return False
        if self.has_reached_gate and self.decided_by == ACTOR:
            return False  # only its being a control kept it from promotion
        expected = cast(list[str], self.planted.get("expect", []))
        # "held" at the gate ends as a rejection, whoever rejects it.
        return self.ended_as in expected or ("held" in expected and self.ended_as == "rejected")


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
    unsupported: Verdict | None = None
    """What the newest audit came to where it is not supported."""

    @property
    def line(self) -> str:
        """The campaign's last line."""
        speedup = (
            "not measured" if self.unsupported is None else f"none, the audit is {self.unsupported}"
        )
        if self.speedup is not None:
            speedup = self.speedup.text
        return (
            f"promoted: {self.promoted}  refuted: {self.refuted}  inconclusive: {self.inconclusive}  "
            f"invalid: {self.invalid}  cheats caught: {self.cheats_caught}/{self.cheats}  "
            f"speedup vs baseline: {speedup}"
        )


def round_label(record: RoundRecord) -> str:
    """What people call a round: "3" for the third idea, "c1" for the first control."""
    return f"c{-record.number}" if record.is_control else str(record.number)


def round_lines(ledger: Ledger, campaign_id: str) -> tuple[RoundLine, ...]:
    """Every round of a campaign with how it stands, in the order they were opened, controls among them."""
    opened = sorted(ledger.rounds(campaign_id), key=lambda each: each.created_at)
    return tuple(round_line(ledger, each) for each in opened)


def round_line(ledger: Ledger, record: RoundRecord) -> RoundLine:
    """One round with how it stands."""
    steps = ledger.steps(record.id)
    decisions = ledger.decisions(record.id)
    state = round_state(steps, decisions, ledger.promotions(round_id=record.id))
    latest = latest_steps(steps)
    proposed = last_proposal(steps)
    # Whoever sent an attempt back did not decide about the next one.
    decided = [each for each in decisions if each.action is not DecisionAction.REVISE]
    opened = latest[Step.OPEN].payload if Step.OPEN in latest else {}
    committed = latest[Step.COMMIT].payload if Step.COMMIT in latest else {}
    reported = latest[Step.REPORT].payload if Step.REPORT in latest else {}
    report = cast(Mapping[str, object], reported.get("report", {}))
    planted = cast(Mapping[str, object] | None, opened.get("planted"))
    return RoundLine(
        record=record,
        state=state,
        hypothesis=str(proposed.get("hypothesis", "")),
        predicted_ratio=cast(float | None, proposed.get("predicted_ratio")),
        effect=claimed_effect(latest),
        searched=searched_effect(latest),
        reason=str(report.get("why", "") or reported.get("reason", "")),
        planted=planted,
        commit=cast(str | None, committed.get("commit")),
        decided_by=decided[-1].actor if decided else None,
        tier=claim_tier(
            state.verdict, latest[Step.REVIEW].payload if Step.REVIEW in latest else {}
        ),
        has_reached_gate=planted is not None and has_passed(steps, planted),
    )


def tally(ledger: Ledger, campaign_id: str) -> Tally:
    """Count a campaign's ideas; planted cheats are counted by themselves, other controls not at all."""
    lines, events = round_lines(ledger, campaign_id), ledger.campaign_events(campaign_id)
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
        cheats_caught=sum(each.is_caught for each in cheats),
        speedup=claimed_speedup(events),
        unsupported=audit.score.verdict if audit is not None and not audit.is_supported else None,
    )
