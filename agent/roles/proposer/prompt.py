"""What the model is told first: the brief and the tools, in the scaffold's words."""

from rsi.agent.llm.fence import RULE, fence
from rsi.agent.llm.types import ToolSpec
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.workbench.toolbox import TOOLS
from rsi.agent.roles.scaffold.loading import Scaffold, ScaffoldError
from rsi.agent.types import Brief

ALWAYS_PRESENT = ("submit", "give_up")
"""Tools that every scaffold has, since they are how a round ends."""
_NO_BRIEF = Brief(
    round_id="", round_number=1, task="", profile="", instruction="", base_commit="", base_tree=(), score_profile="",
    notebook="",
)  # fmt: skip
"""Fills the blanks of a scaffold that is only checked."""


def check_scaffold(scaffold: Scaffold) -> None:
    """Refuse a scaffold that no round could run with, before anything is queued.

    Raises:
        ScaffoldError: It names a tool, sets a limit or has a blank that does not exist.
    """
    tool_specs(scaffold)
    limits = ProposerLimits().with_settings(scaffold.proposer)
    for prompt in ("proposer", "critic", "reviewer"):
        scaffold.render(prompt, data_rule=RULE)
    first_message(_NO_BRIEF, scaffold, limits)


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


def first_message(brief: Brief, scaffold: Scaffold, limits: ProposerLimits) -> str:
    """The brief as the model reads it."""
    extra = "".join(
        f"\n## {title}\n{text}\n"
        for title, text in (
            ("Other agents at work", brief.beside),
            ("Other candidates worth borrowing from", "\n\n".join(brief.inspirations)),
            ("What was tried in this round before and sent back", _last_version(brief)),
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
        decides=brief.decides,
        base_commit=brief.base_commit[:12],
        score_profile=brief.score_profile,
        machine=brief.machine,
        allowance=brief.allowance,
        notebook=fence(brief.notebook, source="notebook") if brief.notebook else "Nothing yet.",
        extra=extra,
        max_turns=limits.max_turns,
        max_measures=limits.max_measures,
        measure_s=f"{limits.measure_s:.0f}",
    )


def _last_version(brief: Brief) -> str:
    """The version that was sent back, and where it is now."""
    if brief.last_version is None:
        return ""
    place = (
        "The change is not in the repository; make again what you keep of it."
        if brief.start_tree is None
        else "The repository holds this change, uncommitted: `git diff` shows what you have against the version that it "
        "started from, `git checkout -- FILE` takes a file back to that."
    )
    return f"{brief.last_version}\n{place}"
