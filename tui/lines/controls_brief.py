"""What the controls' screen says where there is little room: each part in a line or two, the details below the fold."""

from collections.abc import Mapping, Sequence

from rsi.agent.store.config import Autonomy
from rsi.agent.store.stages import Stage, StageTime, bottleneck
from rsi.tui.draw.phrases import duration
from rsi.tui.draw.styled import Line, Role, Span, line
from rsi.tui.lines.queue import autonomy_words


def autonomy_brief(missing: Mapping[Autonomy, Sequence[str]] | None, level: int) -> list[Line]:
    """The level that was asked for, and what the next one above a person's still lacks.

    Args:
        missing: What policy has to earn yet before each level holds; None while it is counted.
        level: As the campaign has it.
    """
    lines: list[Line] = [(("autonomy ", Role.DIM), (autonomy_words(level), Role.STRONG))]
    lacking = {each: found for each, found in (missing or {}).items() if found}
    if lacking:
        lowest = min(lacking)
        lines.append(
            ((f"○ level {int(lowest)} lacks: ", Role.WARN), ("; ".join(lacking[lowest]), Role.TEXT))
        )
    elif missing:
        lines.append(line("✔ every level is earned on this task", Role.GOOD))
    return lines


def how_it_holds(level: int, *, is_granted: bool, is_claim_free: bool, is_earned: bool) -> str:
    """Which of the three ways to a level of autonomy is the one of this campaign.

    Args:
        level: As the campaign has it.
        is_granted: Whoever queued the campaign granted it.
        is_claim_free: The campaign's profile claims nothing.
        is_earned: The controls on its task have shown enough for the level.
    """
    if level <= Autonomy.PERSON:
        return "needs neither to be earned nor granted"
    if is_granted:
        return "granted by whoever queued the campaign"
    if is_claim_free:
        return "free: this profile claims nothing"
    return (
        "earned by the controls below" if is_earned else "asked for and not earned yet: you decide"
    )


BAR_CELLS = 10
LEAST_SHOWN_S = 0.5
"""Stages that took less in all are left out of the bars."""
REVIEW_CONTAINS = "review contains the confirming runs"


def time_brief(stages: Sequence[StageTime]) -> list[Line]:
    """Shares of the stages in one line, the bottleneck first."""
    if not stages:
        return [line("No step has finished yet.", Role.DIM)]
    worst = bottleneck(stages)
    spans: list[Span] = [(f"time {duration(sum(each.wall_s for each in stages))}: ", Role.DIM)]
    for each in stages:
        if each.share >= 0.01:
            mark = " ← bottleneck" if each is worst else ""
            role = Role.WARN if each is worst else Role.TEXT
            spans.append((f"{each.stage.value} {each.share:.0%}{mark}  ", role))
    return [tuple(spans)]


def time_lines(stages: Sequence[StageTime]) -> list[Line]:
    """A bar a stage; the longest that has a name is the bottleneck."""
    if not stages:
        return [line("No step has finished yet.", Role.DIM)]
    total, worst = sum(each.wall_s for each in stages), bottleneck(stages)
    lines: list[Line] = [(("where the time goes  ", Role.DIM), (duration(total), Role.TEXT))]
    for each in stages:
        if each.wall_s < LEAST_SHOWN_S:
            continue
        cells = round(each.wall_s / stages[0].wall_s * BAR_CELLS)
        is_worst = each is worst
        lines.append(
            ((f"{each.stage.value:<20}", Role.STRONG if is_worst else Role.TEXT), ("█" * cells, Role.WARN if is_worst else Role.ACCENT),
             (f" {duration(each.wall_s)} {each.share:.0%}", Role.DIM), (" ← bottleneck" if is_worst else "", Role.WARN))
        )  # fmt: skip
    if any(each.stage is Stage.REVIEW and each.wall_s >= LEAST_SHOWN_S for each in stages):
        lines.append(line(REVIEW_CONTAINS, Role.DIM))
    return lines
