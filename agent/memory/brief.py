"""Puts the proposer's brief together: instruction, how the champion does now, what the notebook holds.

Pure. Does not: read the ledger; the caller hands over what it found there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.llm.fence import cut, fence
from rsi.agent.memory import notebook
from rsi.agent.store.steps.values import RoundReport
from rsi.agent.types import Brief
from rsi.evals.types import Interval, QualityResult
from rsi.sandboxes.types import FileTree
from rsi.tasks.types import Task

INSPIRATION_DIFF_CHARS = 4000
LAST_DIFF_CHARS = 20_000
"""Of a version that was sent back: enough to make it again, about 5000 tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionFacts:
    """How the champion does now, as far as it was measured."""

    promotions: int
    metric_value: float | None
    """Its latest value of the deciding metric, in the metric's unit."""
    against_baseline: Interval | None
    """As it was audited against the round-0 baseline; None when it was not."""
    last_effect: Interval | None
    """What its own promotion measured; None for the baseline."""
    quality: Sequence[QualityResult] = ()


def score_profile(task: Task, facts: ChampionFacts) -> str:
    """The champion's state in words and numbers; what was not measured is not mentioned."""
    metric = task.metric
    lines = [
        f"{metric.name} ({metric.kind.value}: {metric.kind.meaning}), {metric.unit}, {metric.direction.meaning}; "
        f"gains from {metric.minimum_effect:.1%} count."
    ]
    if facts.promotions == 0:
        lines.append("The champion is the unchanged baseline.")
    else:
        lines.append(f"The champion is the result of {facts.promotions} promoted changes.")
    if facts.metric_value is not None:
        lines.append(f"Its latest measured value is {facts.metric_value:.4g} {metric.unit}.")
    if facts.against_baseline is not None:
        lines.append(f"Against the baseline it is {_ratio(facts.against_baseline)}.")
    if facts.last_effect is not None:
        lines.append(f"The last promotion measured {_ratio(facts.last_effect)}.")
    for rule in facts.quality:
        if rule.candidate_mean is not None:
            bound = "" if rule.limit is None else f", limit {rule.limit:g}"
            loss = "" if rule.margin is None else f", allowed loss {rule.margin:g}"
            lines.append(f"Quality {rule.name}: {rule.candidate_mean:.4g}{bound}{loss}.")
    return "\n".join(lines)


def compose(
    *,
    task: Task,
    profile: str,
    round_id: str,
    round_number: int,
    base_commit: str,
    base_tree: FileTree,
    champion: ChampionFacts,
    reports: Sequence[RoundReport],
    inspirations: Sequence[RoundReport] = (),
    last_version: str | None = None,
    critique: str | None = None,
    feedback: str | None = None,
) -> Brief:
    """The brief of one round.

    Args:
        task: The task; its instruction is passed on as it is.
        profile: Name of the task's profile.
        round_id: For the record.
        round_number: 1-based.
        base_commit: Commit to start from.
        base_tree: Its files.
        champion: How it does now.
        reports: Past rounds, oldest first.
        inspirations: Other candidates worth borrowing from, as a search strategy chose them.
        last_version: What was sent back, see `last_version`.
        critique: Why a critic sent the last version back.
        feedback: What a person asked to be changed.
    """
    about = f"{task.description}\n{task.instruction}"
    return Brief(
        round_id=round_id,
        round_number=round_number,
        task=task.name,
        profile=profile,
        instruction=task.instruction,
        base_commit=base_commit,
        base_tree=base_tree,
        score_profile=score_profile(task, champion),
        notebook=notebook.for_brief(reports, about=about),
        inspirations=tuple(inspiration(report) for report in inspirations),
        last_version=last_version,
        critique=critique,
        feedback=feedback,
    )


def last_version(hypothesis: str, diff: str) -> str:
    """A version that was sent back, as its next author reads it: the claim and the change, marked as data."""
    return "\n".join(
        (
            fence(hypothesis, source="author"),
            "The change is not in the repository; make again what you keep of it:",
            fence(cut(diff, LAST_DIFF_CHARS), source="diff"),
        )
    )


def inspiration(report: RoundReport) -> str:
    """Another candidate's idea, result and diff."""
    diff = report.diff
    if len(diff) > INSPIRATION_DIFF_CHARS:
        diff = diff[:INSPIRATION_DIFF_CHARS] + "\n[cut]"
    return f"{notebook.entry(report)}\n{diff}"


def _ratio(interval: Interval) -> str:
    return f"{interval.text} over {interval.pairs} pairs"
