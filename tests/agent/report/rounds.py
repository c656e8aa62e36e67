"""Rounds for the tests of what is said about them: put together from facts, every text of a model the same marked one."""

from dataclasses import replace
from datetime import UTC, datetime

from rsi.agent.store.records import (
    DecisionAction,
    DecisionRecord,
    PromotionRecord,
    RoundRecord,
    Step,
    StepOutcome,
)
from rsi.agent.store.rounds import RoundView, round_view
from rsi.agent.store.steps.facts import (
    Admitted,
    AnyFact,
    Briefed,
    Committed,
    Critiqued,
    Decided,
    Halted,
    Measured,
    Opened,
    Promoted,
    Proposed,
    Reviewed,
    Scored,
)
from rsi.agent.store.steps.record import StepRecord
from rsi.agent.store.steps.values import Cost, FileStat, Planted, Stance, Tier
from rsi.evals.types import (
    Finding,
    GuardResult,
    Interval,
    QualityResult,
    Score,
    Severity,
    Verdict,
)

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MODEL_SAID = "WORDS OF A MODEL"
"""Stands wherever a model or a candidate has the word; no sentence of ours may repeat it."""
ROUND_ID = "c1120-4f2a-0001"


def interval(low: float, estimate: float, high: float, confidence: float = 0.95) -> Interval:
    return Interval(estimate=estimate, low=low, high=high, confidence=confidence, pairs=6)


GAIN = interval(1.79, 1.86, 1.94)


def quality(*, is_kept: bool = True, reason: str = "", low: float = -0.004) -> QualityResult:
    return QualityResult(
        name="hidden_bpb", champion_mean=2.312, candidate_mean=2.341, difference_low=low,
        difference_high=0.008, limit=2.4, margin=0.01, is_kept=is_kept, reason=reason,
    )  # fmt: skip


def score(verdict: Verdict = Verdict.SUPPORTED, effect: Interval | None = GAIN, **fields: object) -> Score:  # fmt: skip
    plain = Score(
        verdict=verdict, reason="the lower bound is above 1.02", effect=effect, wall_effect=None,
        quality=(quality(),), guards=(GuardResult(name="max_rss_bytes", value=1.04, bound=1.5, is_kept=True),),
        pairs_used=6, pairs_invalid=0, outcomes={"ok": 6}, is_plausible=True, plausibility="", digest="d1",
    )  # fmt: skip
    return replace(plain, **fields)


def finding(severity: Severity = Severity.NOTE, source: str = "anthropic:reviewer") -> Finding:
    rule = "reads_outside" if source == "rules" else MODEL_SAID
    return Finding(rule=rule, severity=severity, file="train.py", line=1, message=MODEL_SAID, source=source)  # fmt: skip


OPENED = Opened(
    champion_commit="a" * 40, baseline_commit="a" * 40, alpha=0.025, floor_s=None, backend="bubblewrap",
    assurance="bubblewrap", planted=None, plan=None,
)  # fmt: skip
BRIEFED = Briefed(
    base_commit="a" * 40, score_profile="", notebook="", inspirations=(), critique=None, feedback=None, instruction_chars=9,
)  # fmt: skip
PROPOSED = Proposed(
    reason="", hypothesis=MODEL_SAID, predicted_ratio=1.5, risk=MODEL_SAID, parts=(MODEL_SAID,), tree_sha256="e" * 64,
    turns=12, model="scripted:demo", scaffold_digest="", cost=Cost(),
)  # fmt: skip
COMMITTED = Committed(
    commit="b" * 40, parent="a" * 40, diff_sha256="f" * 64, lines_added=14, lines_removed=7,
    files=(FileStat(path="train.py", added_lines=14, removed_lines=7),),
)  # fmt: skip
CRITIQUED = Critiqued(stance=Stance.GO, text=MODEL_SAID, model="", duplicates=(MODEL_SAID,))
REVIEWED = Reviewed(
    findings=(finding(), replace(finding(), line=2)), score_digest="d1", held_by=(), tier=Tier.CONFIRMED, panel=MODEL_SAID, votes=(),
    agreement=None, cost=Cost(), confirm=score(),
)  # fmt: skip
DECIDED = Decided(
    outcome=StepOutcome.APPROVE, action=DecisionAction.APPROVE, actor="person:ada", reason="", commit="b" * 40,
    score_digest="d1", is_override=False,
)  # fmt: skip
BEFORE = (OPENED, BRIEFED, PROPOSED, COMMITTED, CRITIQUED, Admitted(findings=()), Measured(runs=12))
"""What every round that was measured left."""


def halted(step: Step, outcome: StepOutcome) -> Halted:
    return Halted(step=step, outcome=outcome, reason=MODEL_SAID)


def view(*facts: AnyFact, spend_usd: float = 0.14, is_control: bool = False) -> RoundView:
    """A round that left these facts."""
    steps = [StepRecord(round_id=ROUND_ID, started_at=AT, wall_s=1.0, fact=each) for each in facts]
    record = RoundRecord(
        id=ROUND_ID, campaign_id="c1120-4f2a", number=1, champion_commit="a" * 40, created_at=AT, is_control=is_control,
    )  # fmt: skip
    decisions = [
        DecisionRecord(
            round_id=ROUND_ID, action=each.action, actor=each.actor, reason=each.reason, commit=each.commit,
            score_digest=each.score_digest, at=AT,
        )
        for each in facts
        if isinstance(each, Decided)
    ]  # fmt: skip
    promotions = [
        PromotionRecord(
            lineage="l", round_id=ROUND_ID, old_commit=each.old_commit, new_commit=each.new_commit, score_digest="d1", at=AT,
        )
        for each in facts
        if isinstance(each, Promoted)
    ]  # fmt: skip
    return round_view(record, steps, decisions, promotions, spend_usd=spend_usd, device_s=80.0)


def scored(found: Score) -> RoundView:
    """A round that ended with its score."""
    return view(*BEFORE, Scored(outcome=StepOutcome(found.verdict.value), score=found))


def rejected(**fields: object) -> Decided:
    return replace(DECIDED, outcome=StepOutcome.REJECT, action=DecisionAction.REJECT, **fields)


def planted(kind: object, name: str) -> Opened:
    return replace(OPENED, planted=Planted(kind=kind, name=name))
