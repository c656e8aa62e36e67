"""The rows that a suite of self-improvement tasks owes: techniques, challenges and domains, and which solution claims each.

The rows are those of the survey arXiv 2603.25681 (data acquisition to evaluation), of the six tasks that Anthropic reports,
and of recursion. Does not: measure; `rsi task rows --measure` does, and a row without a measured effect is not shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rsi.tasks.types import Solution, Task

SUITE_ROWS = {
    "anthropic:llm_training": "training a language model",
    "anthropic:kernels": "kernels",
    "anthropic:time_series": "time series",
    "anthropic:text_rl": "reinforcement learning in text",
    "anthropic:quadruped": "a quadruped that learns to run",
    "anthropic:compiler": "a compiler",
    "survey:acquisition.static": "data acquired from a static pool",
    "survey:acquisition.interaction": "data acquired by interaction",
    "survey:acquisition.synthetic": "data that is synthesised",
    "survey:selection.metric": "data selected by a metric",
    "survey:selection.adaptive": "data selected adaptively",
    "survey:generation.self_exploratory": "generation that explores by itself",
    "survey:generation.refined": "generation that is refined",
    "survey:generation.interactive": "generation that uses tools",
    "survey:reward.heuristic": "heuristic reward",
    "survey:reward.model": "reward from a learned model",
    "survey:reward.verifiable": "verifiable reward",
    "survey:optimization.sft": "optimisation by fine-tuning",
    "survey:optimization.rl": "optimisation by reinforcement learning",
    "survey:optimization.hybrid": "fine-tuning, then reinforcement learning",
    "survey:pattern.rejection_sampling": "rejection sampling",
    "survey:pattern.self_verification": "self-verification and refinement",
    "survey:pattern.self_play": "self-play",
    "survey:inference.decoding": "inference: decoding and its efficiency",
    "survey:inference.reasoning": "inference: reasoning",
    "survey:inference.agentic": "inference: agentic scaffolds",
    "survey:inference.test_time_training": "inference: training at test time",
    "survey:evaluation.dynamic": "evaluation by dynamic benchmarks",
    "survey:evaluation.interactive": "evaluation in interaction",
    "recursion:capability": "recursion: the machinery that proposes",
    "recursion:control": "recursion: the control that reviews",
    "challenge:autophagy": "challenge: data autophagy",
    "challenge:flawed_feedback": "challenge: flawed feedback",
    "challenge:reward_hacking": "challenge: reward hacking",
    "challenge:refinement_cost": "challenge: refinement at an equal budget",
    "challenge:stale_benchmarks": "challenge: benchmarks that go stale",
    "challenge:oversight": "challenge: oversight",
    "domain:code": "domain: code",
    "domain:math": "domain: mathematics",
    "domain:medicine": "domain: medicine",
    "domain:finance": "domain: finance",
    "domain:algorithms": "domain: algorithms",
    "domain:science": "domain: science",
}
"""Row to what it is about, in the order in which they are listed."""
SELFCHECK = "selfcheck:"
"""Begins the name of a self-check of a harness, which proves a row without an effect of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One row, and what is said to prove it."""

    row: str
    title: str
    """What the row is about; empty for a row of a task's own."""
    task: str | None = None
    """None where no task covers the row, and then so are the others."""
    solution: str | None = None
    """A solution's name, or `selfcheck:<name>`."""
    parent: str | None = None
    """The solution that it is measured against; None for the task's repo, and for a self-check."""


def claims(tasks: Iterable[Task]) -> Iterator[Claim]:
    """Every row of the suite, covered or not, then the rows that tasks name besides."""
    found: dict[str, list[Claim]] = {row: [] for row in SUITE_ROWS}
    for task in tasks:
        by_name = {each.name: each for each in task.solutions}
        for row, proof in task.rows.items():
            solution = by_name.get(proof)
            found.setdefault(row, []).append(
                Claim(
                    row=row,
                    title=SUITE_ROWS.get(row, ""),
                    task=task.name,
                    solution=proof,
                    parent=None if solution is None else parent_of(solution),
                )
            )
    for row, each in found.items():
        yield from each or (Claim(row=row, title=SUITE_ROWS[row]),)


def parent_of(solution: Solution) -> str | None:
    """The solution that one is made on; None where it is made on the task's repo."""
    return solution.needs[-1] if solution.needs else None
