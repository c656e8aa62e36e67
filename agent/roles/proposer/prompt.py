"""What the model is told first: the brief and the tools, in the scaffold's words."""

import shlex

from rsi.agent.llm.types import ToolSpec
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.toolbox import TOOLS
from rsi.agent.roles.scaffold.loading import Scaffold, ScaffoldError
from rsi.agent.types import Brief
from rsi.tasks.types import Task

ALWAYS_PRESENT = ("submit", "give_up")
"""Tools that every scaffold has, since they are how a round ends."""


def check_scaffold(scaffold: Scaffold) -> None:
    """Refuse a scaffold that no round could run with, before anything is queued.

    Raises:
        ScaffoldError: It names a tool or sets a limit that does not exist.
    """
    tool_specs(scaffold)
    ProposerLimits().with_settings(scaffold.proposer)


def tool_specs(scaffold: Scaffold) -> tuple[ToolSpec, ...]:
    """The tools that a scaffold shows to the model.

    Raises:
        ScaffoldError: A name that is no tool, or no way to end the round.
    """
    if unknown := [name for name in scaffold.tools if name not in TOOLS]:
        raise ScaffoldError(
            f"scaffold {scaffold.name!r} names unknown tools {unknown}; known: {sorted(TOOLS)}"
        )
    if absent := [name for name in ALWAYS_PRESENT if name not in scaffold.tools]:
        raise ScaffoldError(f"scaffold {scaffold.name!r} lacks {absent}: a round could not end")
    return tuple(TOOLS[name][0] for name in scaffold.tools)


def first_message(brief: Brief, task: Task, scaffold: Scaffold, limits: ProposerLimits) -> str:
    """The brief as the model reads it."""
    rules, metric = task.candidate, task.metric
    extra = "".join(
        f"\n## {title}\n{text}\n"
        for title, text in (
            (
                "The repo's own tests, which have to pass",
                shlex.join(task.tests.entry) if task.tests else "",
            ),
            ("Other candidates worth borrowing from", "\n\n".join(brief.inspirations)),
            ("What was tried in this round before and sent back", brief.last_version or ""),
            ("Your last version was sent back by a critic", brief.critique or ""),
            ("A person asked for this change", brief.feedback or ""),
        )
        if text
    )
    return scaffold.render(
        "task",
        task=brief.task,
        profile=brief.profile,
        instruction=brief.instruction,
        editable=", ".join(rules.editable),
        protected=", ".join(rules.protected) or "nothing",
        max_source_bytes=rules.max_source_bytes,
        max_literal_bytes=rules.max_literal_bytes,
        max_files_added=rules.max_files_added,
        entry=" ".join(rules.entry),
        metric=f"{metric.name} in {metric.unit}, {metric.direction.value} is better; "
        f"a gain below {metric.minimum_effect:.1%} is not promoted",
        base_commit=brief.base_commit[:12],
        score_profile=brief.score_profile,
        notebook=brief.notebook or "Nothing yet.",
        extra=extra,
        max_turns=limits.max_turns,
        max_measures=limits.max_measures,
    )
