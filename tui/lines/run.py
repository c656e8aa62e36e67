"""What the run's screen says of a campaign and a round, as lines and curves: pure, from the view alone."""

import math
from collections.abc import Sequence

from rsi.agent.report.activity import TIMED
from rsi.agent.store.records import CampaignState, RequestKind, Step
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.state import ENDED_STATES
from rsi.evals.judge.judging import AGAINST_BASELINE
from rsi.evals.types import Arm, Measurement
from rsi.sandboxes.machine.leases import Holder
from rsi.tui.draw.phrases import clock
from rsi.tui.draw.styled import Line, Role, Span, line
from rsi.tui.log_follower import machine_parts, trouble_parts
from rsi.tui.model.curves import Series
from rsi.tui.model.trajectory import SIGNS
from rsi.tui.model.view import CampaignView, RoundDetail


def asked_spans(campaign: CampaignView) -> list[Span]:
    """What a person asked for and no worker has heard yet; and a pause that the agent alone keeps."""
    is_over = campaign.summary.state in ENDED_STATES
    # One that has ended hears nothing any more, except that it may go on.
    waiting = [r.kind for r in campaign.requests if not is_over or r.kind is RequestKind.RETRY]
    if RequestKind.RESUME in waiting and not campaign.is_pause_asked:
        # A pause that was taken back before anybody heard it is nothing that is waited for.
        waiting = [each for each in waiting if each not in (RequestKind.PAUSE, RequestKind.RESUME)]
    if waiting:
        return [(f" ⧖ asked: {', '.join(each.value for each in waiting[-3:])}", Role.WARN)]
    if campaign.is_pause_asked and campaign.summary.state is CampaignState.RUNNING:
        return [(" ‖ the agent holds", Role.WARN)]
    return []


def step_strip(view: RoundView) -> str:
    """Twelve signs: done, under way, ended here, not reached."""
    finished, here = set(view.state.finished), view.state.step
    signs = []
    for step in Step:
        if step is view.state.ended_at and view.word != "promoted":
            signs.append("✖")
        elif step in finished:
            signs.append("●")
        elif step is here:
            signs.append("▲" if view.is_waiting else "◐")
        else:
            signs.append("·")
    return "".join(signs)


def step_words(view: RoundView, holder: Holder | None = None, *, is_policys: bool = False) -> Line:
    """Which of the twelve signs counts now, in words, and who keeps the machine from it.

    Args:
        view: The round.
        holder: Who holds the machine that its worker measures on; None when nobody does or it is not known.
        is_policys: Policy is about to decide about it.
    """
    ended_at, here = view.state.ended_at, view.state.step
    if view.is_waiting and is_policys:
        return line("policy decides; enter opens the gate", Role.ACCENT)
    if view.is_waiting:
        return line("waits for you: enter opens the gate", Role.WARN)
    if here is not None and view.state.verdict is None:
        said = f"step {list(Step).index(here) + 1} of {len(Step)}: {here.value}"
        if holder is None or here not in TIMED or view.record.campaign_id in holder.what:
            return line(said, Role.DIM)
        held = f"; the machine is held by {holder.what} since {clock(holder.since)}"
        return ((said, Role.DIM), (held, Role.WARN))
    if ended_at is None or view.word == "promoted":
        return line("all steps done", Role.DIM)
    return line(f"ended at step {list(Step).index(ended_at) + 1}: {ended_at.value}", Role.DIM)


def machine_line(runs: Sequence[Measurement]) -> tuple[Line, Line]:
    """What the machine did during the latest run, trouble first; at the right which run that was."""
    if not runs:
        return line(" machine: nothing was measured in this round yet", Role.DIM), ()
    run = runs[-1]
    trouble = " ".join(trouble_parts(run.disturbance))
    known = " · ".join(machine_parts(run.disturbance)) or "its state cannot be told here"
    left: list[Span] = [(" machine: ", Role.DIM)]
    if trouble:
        left.append((f"{trouble}  ", Role.WARN))
    left.append((known, Role.TEXT))
    return tuple(left), ((f"{run.purpose.value} {run.pair + 1} {run.arm.value} ", Role.DIM),)


def run_series(measurements: Sequence[Measurement]) -> tuple[Series, ...]:
    """The deciding value of every run by pair, an arm a curve; a failed run is a gap, what ran against the baseline is of others."""
    own = [each for each in measurements if each.purpose not in AGAINST_BASELINE]
    curves = []
    for arm in Arm:
        runs = [each for each in own if each.arm is arm]
        values = (math.nan if each.metric_value is None else each.metric_value for each in runs)
        if runs:
            xs = tuple(float(number) for number in range(1, len(runs) + 1))
            curves.append(Series(name=arm.value, xs=xs, ys=tuple(values)))
    return tuple(curves)


def agent_lines(detail: RoundDetail) -> list[Line]:
    """The latest steps of the round's agents, one line each."""
    lines: list[Line] = []
    for each in detail.tail:
        sign, role = SIGNS[each.group]
        spans: list[Span] = [
            (f"{clock(each.at)} ", Role.DIM),
            (f"{sign:<8}", Role.BAD if each.is_error else role),
        ]
        spans.append((each.text, Role.BAD if each.is_error else Role.TEXT))
        lines.append(tuple(spans))
    return lines
