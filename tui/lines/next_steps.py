"""What happens next, in words: to a campaign, and to the candidate that lies at the gate. Pure, from the view alone."""

from rsi.agent.policy.gate import policy_decision
from rsi.agent.store.config import Autonomy
from rsi.agent.store.records import CampaignState, CampaignSummary, Step
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.state import ENDED_STATES
from rsi.tui.draw.phrases import plural
from rsi.tui.draw.styled import Line, Role, line
from rsi.tui.lines.queue import unmet_wishes
from rsi.tui.model.view import CampaignView, GateItem, View

POLICY_S = 60.0
"""Policy looks every few seconds; what lies longer waits for a person, such as where a level was taken back meanwhile."""
LABEL_CELLS = 10


def is_policys(item: GateItem, waited_s: float) -> bool:
    """Whether policy is about to decide about a candidate, so that nobody is waited for."""
    case = item.round.case
    if case is None or waited_s > POLICY_S:
        return False
    if item.round.record.is_control:
        return True
    level = item.campaign.record.config.autonomy
    return not case.unearned and policy_decision(case, level) is not None


def gate_next(item: GateItem, waited_s: float) -> str:
    """What each decision would lead to, or that policy takes it."""
    if is_policys(item, waited_s):
        if item.round.record.is_control:
            return "a control that was planted: it is decided by itself, and never promoted"
        return "policy decides about it by itself; you may come first"
    return f"it waits{_because(item)}: approved, it becomes the champion; rejected, the champion stays; either way{_after_this(item.campaign)}"  # fmt: skip


def why_a_person(item: GateItem) -> str:
    """Why a candidate waits for a person, as the end of a sentence, where policy may promote at this level of autonomy.

    Empty where a person decides about everything anyway, or where nothing is known to be in policy's way.
    """
    case, level = item.round.case, item.campaign.record.config.autonomy
    if case is None or level < Autonomy.LOW_RISK:
        return ""
    if case.unearned:
        return f"policy has not earned that: it lacks that {'; '.join(case.unearned)}"
    if case.held_by and policy_decision(case, Autonomy.POLICY) is None:
        return "; ".join(case.held_by)  # a lock, which waits for a person at every level
    if level == Autonomy.LOW_RISK and case.held_by:
        return "it is held, and at level 2 a person decides about what is held"
    if level == Autonomy.LOW_RISK and case.drawn:
        return case.drawn
    return "policy may decide and has not: its worker is gone, or the level was taken back"


def _because(item: GateItem) -> str:
    why = why_a_person(item)
    return f", because {why}" if why else ""


def next_text(
    view: View, summary: CampaignSummary, campaign: CampaignView | None, waited_s: float
) -> str:
    """What happens next to a campaign, as one sentence without its dot.

    Args:
        view: What is known.
        summary: The campaign.
        campaign: The same with its rounds; None while it is not read.
        waited_s: Seconds that its candidate has lain at the gate; 0 where none does.
    """
    if summary.state in ENDED_STATES:
        can_go_on = campaign is not None and not campaign.retry_refusal
        report = f"rsi report {summary.record.id} says what it came to"
        return f"it is over; {report}{', R lets it go on' if can_go_on else ''}"
    match summary.state:
        case CampaignState.QUEUED:
            return _queued(view, summary)
        case CampaignState.PAUSED:
            return "it stands still until p lets it go on"
        case CampaignState.PARKED:
            why = "" if campaign is None else _last_reason(campaign)
            return f"it stands still{f': {why}' if why else ''}; it goes on by itself when that is over, and p at once"  # fmt: skip
    item = next((one for one in view.gate if one.campaign.record.id == summary.record.id), None)
    if item is not None:
        is_its_own = is_policys(item, waited_s)
        why = "" if is_its_own else _because(item)
        who = "policy decides" if is_its_own else "you decide"
        return f"{who} about round {item.round.label}{why}, then{_after_this(summary)}"
    return _under_way(summary, campaign)


def next_line(
    view: View, summary: CampaignSummary, campaign: CampaignView | None, waited_s: float
) -> Line:
    """The same with its label."""
    said = next_text(view, summary, campaign, waited_s)
    return ((f"{'next':<{LABEL_CELLS}}", Role.DIM), (said, Role.TEXT))


def coming_lines(view: View, campaign: CampaignView | None) -> tuple[Line, ...]:
    """What an empty gate has to say: where each campaign that has not ended is, and what was decided last."""
    lines: list[Line] = []
    going = [each for each in view.campaigns if each.state not in ENDED_STATES]
    for each in going[:8]:
        own = campaign if campaign is not None and campaign.id == each.record.id else None
        lines.append(
            ((f"{each.record.id}  ", Role.ACCENT), (next_text(view, each, own, 0.0), Role.TEXT))
        )
    if len(going) > 8:
        lines.append(line(f"and {plural(len(going) - 8, 'more campaign')}", Role.DIM))
    return tuple(lines)


def _queued(view: View, summary: CampaignSummary) -> str:
    before = view.waits_for.get(summary.record.id)
    if wishes := unmet_wishes(view, summary.record.id):
        return f"it begins when a worker runs on a machine with {wishes}"
    if before:
        return f"it begins after {before}"
    return "it begins as soon as a worker is free" if view.workers else "it begins when a worker runs: rsi worker starts one"  # fmt: skip


def _under_way(summary: CampaignSummary, campaign: CampaignView | None) -> str:
    latest = campaign.rounds[-1] if campaign is not None and campaign.rounds else None
    if latest is None:
        return "the environment is made and the floor measured, then round 1 begins"
    step = latest.state.step
    if step is None:
        return f"round {latest.label} is done; now{_after_this(summary)}"
    if step in (Step.PROMOTE, Step.REPORT):
        return f"round {latest.label} is closed with its report, then{_after_this(summary)}"
    return f"round {latest.label}: {_steps_left(step)}, then {_decider(latest, summary)}"


def _steps_left(step: Step) -> str:
    order = list(Step)
    left = [each.value for each in order[order.index(step) : order.index(Step.DECIDE)]]
    return ", ".join(left) if left else "the decision is carried out"


def _decider(latest: RoundView, summary: CampaignSummary) -> str:
    if latest.planted is not None:
        return "it is counted as a control"
    match summary.record.config.autonomy:
        case Autonomy.POLICY:
            return "policy decides where it has earned that, else you"
        case Autonomy.LOW_RISK:
            return "policy decides what is low-risk where it has earned that, and you the rest"
        case _:
            return "you decide"


def _after_this(summary: CampaignSummary) -> str:
    left = summary.record.config.rounds - summary.rounds
    if left > 0:
        return f" round {summary.rounds + 1} of {summary.record.config.rounds} begins"
    return " the champion is audited and the campaign ends"


def _last_reason(campaign: CampaignView) -> str:
    return campaign.events[-1].reason if campaign.events else ""
