"""Puts the proposer's brief together: instruction, how the champion does now, what the notebook holds.

Pure. Does not: read the ledger; the caller hands over what it found there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rsi.agent.llm.fence import cut, fence
from rsi.agent.memory import notebook
from rsi.agent.memory.deciding import counted, what_decides
from rsi.agent.store.steps.values import RoundReport
from rsi.agent.types import Brief
from rsi.evals.types import Interval, QualityResult
from rsi.sandboxes.types import FileTree
from rsi.tasks.types import Profile, Task

INSPIRATION_DIFF_CHARS = 4000
LAST_DIFF_CHARS = 20_000
"""Of a version that was sent back: enough to make it again, about 5000 tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionFacts:
    """How the champion does now, as far as it was measured."""

    commit: str
    promotions: int
    """Promoted changes that it is the result of."""
    start: str | None = None
    """The commit that the idea starts from; None when that is the champion."""
    metric_value: float | None = None
    """Median of its values of the deciding metric when it was promoted, in the metric's unit."""
    against_baseline: Interval | None = None
    """As it was audited against the round-0 baseline; None when it was not."""
    last_effect: Interval | None = None
    """What its own promotion measured; None for the baseline."""
    quality: Sequence[QualityResult] = ()
    floor_s: float | None = None
    """Seconds of a run that does the least it must, on the deciding clock."""
    run: str | None = None
    """One run of it on the development instance, as `measure` tells it; None when nobody ran it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a campaign has left when a round begins."""

    round_number: int
    rounds: int
    limits: Mapping[str, float]
    """The campaign's limits that are set, by name."""
    used: Mapping[str, float]
    """What was used of each, open reservations in full."""
    round_usd: float | None
    """What the models may cost in this round; None when only the campaign's limit binds."""


def score_profile(task: Task, facts: ChampionFacts) -> str:
    """The champion's state in words and numbers; what was not measured is not mentioned."""
    metric = task.metric
    is_what = f"the result of {counted(facts.promotions, 'promoted change')}"
    if facts.promotions == 0:
        is_what = "the unchanged baseline"
    lines = [f"The champion is {is_what}, commit {facts.commit[:12]}."]
    if facts.start is not None:
        lines.append(
            f"The idea starts from commit {facts.start[:12]}, another candidate, and is measured against the champion."
        )
    if facts.metric_value is not None:
        value = f"{facts.metric_value:.4g} {metric.unit}".rstrip()
        lines.append(f"When it was promoted its {metric.name} was {value}, the median of its runs.")
    if facts.against_baseline is not None:
        lines.append(f"Against the baseline it is {_ratio(facts.against_baseline)}.")
    if facts.last_effect is not None:
        lines.append(f"The last promotion measured {_ratio(facts.last_effect)}.")
    lines += [
        f"Its {rule.name} was {rule.candidate_mean:.4g} then."
        for rule in facts.quality
        if rule.candidate_mean is not None
    ]
    if facts.floor_s is not None:
        lines.append(f"A run that does the least it must takes {facts.floor_s:.3g} {metric.unit}.")
    if facts.run is not None:
        told = fence(facts.run, source="measure")
        lines.append(f"A run of it on the instance of `measure`, by this campaign:\n{told}")
    return "\n".join(lines)


def allowance_text(allowance: Allowance) -> str:
    """Rounds and money that are left, in one line each."""
    lines = [f"Round {allowance.round_number} of at most {allowance.rounds} of this campaign."]
    for name, most in allowance.limits.items():
        left = max(0.0, most - allowance.used[name])
        lines.append(f"Left of the campaign's {_AMOUNTS[name](left, most)}.")
    if allowance.round_usd is not None:
        lines.append(f"The models may cost ${allowance.round_usd:g} in this round.")
    return "\n".join(lines)


_AMOUNTS: Mapping[str, Callable[[float, float], str]] = {
    "usd": lambda left, most: f"dollars: ${left:.2f} of ${most:g}",
    "tokens": lambda left, most: f"tokens: {left:.0f} of {most:.0f}",
    "wall_s": lambda left, most: f"time: {left:.0f} of {most:.0f} s",
    "device_s": lambda left, most: f"time of timed runs: {left:.0f} of {most:.0f} s",
}
"""How each limit of `Budget.limits` is told."""


def compose(
    *,
    task: Task,
    profile: Profile,
    round_id: str,
    round_number: int,
    base_commit: str,
    base_tree: FileTree,
    champion: ChampionFacts,
    allowance: Allowance,
    machine: str,
    beside: str = "",
    reports: Sequence[RoundReport],
    inspirations: Sequence[RoundReport] = (),
    last_version: str | None = None,
    critique: str | None = None,
    feedback: str | None = None,
) -> Brief:
    """The brief of one round.

    Args:
        task: The task; its instruction is passed on as it is.
        profile: The task's profile in use.
        round_id: For the record.
        round_number: 1-based.
        base_commit: Commit to start from.
        base_tree: Its files.
        champion: How it does now.
        allowance: What the campaign has left.
        machine: What the runs happen on, in words.
        beside: What other agents are at meanwhile.
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
        profile=profile.name,
        instruction=task.instruction,
        base_commit=base_commit,
        base_tree=base_tree,
        decides=what_decides(task, profile),
        score_profile=score_profile(task, champion),
        machine=machine,
        allowance=allowance_text(allowance),
        beside=beside,
        notebook=notebook.for_brief(reports, about=about, apart_from=inspirations),
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
