"""What the queue says of one campaign, as lines: pure, from the view alone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from rsi.agent.policy.placing import fits
from rsi.agent.queue.liveness import is_alive, serves, stays
from rsi.agent.store.records import CampaignState, CampaignSummary, Step, StepOutcome
from rsi.agent.store.state import ENDED_STATES
from rsi.tui.draw.phrases import campaign_state, interval, paid, plural, usd
from rsi.tui.draw.styled import DASH, Line, Role, Span, line
from rsi.tui.model.view import View


def step_after(step: Step, outcome: StepOutcome) -> Step | None:
    """The step under way when a step was the last to end; None when the round is over."""
    order = tuple(Step)
    if step is order[-1]:
        return None
    if outcome is StepOutcome.REVISE:
        return Step.BRIEF
    # A round that ended early still reports.
    return order[order.index(step) + 1] if outcome.goes_on else Step.REPORT


def unmet_wishes(view: View, campaign_id: str) -> str:
    """What a campaign asks of a machine when workers run and none of them is on such a one; empty otherwise."""
    summary = view.summary(campaign_id)
    serving = [each for each in view.workers if serves(each) and is_alive(each, view.at)]
    if summary is None or not serving:
        return ""
    wishes = summary.record.config.on
    return "" if any(fits(each, wishes) for each in serving) else " and ".join(wishes)


def known_lines(view: View, campaign_id: str) -> list[Line]:
    """What a queued campaign waits for; what one under way gained last; what one that ended came to."""
    speedup, gain = view.speedups.get(campaign_id), view.gains.get(campaign_id)
    before = view.waits_for.get(campaign_id)
    if before is not None and (wishes := unmet_wishes(view, campaign_id)):
        return [
            (("waits for ", Role.DIM), (f"a machine with {wishes}", Role.WARN)),
            line(f"{'':10}and no worker is on such a one", Role.TEXT),
        ]
    if before is not None:
        text = f"{before}, which comes first" if before else _missing_worker(view)
        return [(("waits for ", Role.DIM), (text, Role.TEXT))]
    lines: list[Line] = []
    if speedup is not None:
        over = (" over the baseline", Role.DIM)
        lines.append((("gain      ", Role.DIM), (interval(speedup), Role.GOOD), over))
    summary = view.summary(campaign_id)
    failed = None if summary is None else view.failed_audits.get(summary.record.lineage)
    if failed is not None:
        lines += [
            (("audit     ", Role.DIM), (f"▲ {failed.text}", Role.WARN)),
            line(f"{'':10}{failed.offer}", Role.TEXT),
        ]
    if gain is not None:
        known = "was measured at the last audit" if speedup else "waits for an audit"
        lines += [
            (("last step ", Role.DIM), (f"↑{interval(gain)}", Role.TEXT)),
            line(f"{'':10}over the champion before it;", Role.DIM),
            line(f"{'':10}the whole {known}", Role.DIM),
        ]
    return lines


def _missing_worker(view: View) -> str:
    """Which worker a campaign waits for that none before it keeps waiting."""
    staying = [each for each in view.workers if stays(each) and is_alive(each, view.at)]
    if staying and not any(serves(each) for each in staying):
        return "a worker: each is paused; rsi workers resume NAME"
    return "a worker: rsi worker starts one"


def about_lines(
    summary: CampaignSummary,
    age: Callable[..., str],
    budget: float | None,
    *,
    waits_since: datetime | None = None,
    device_s: float | None = None,
) -> list[Line]:
    """What was asked for, as label and value.

    Args:
        summary: The campaign.
        age: Says how long ago a moment was.
        budget: Dollars that its models may cost; None for no limit.
        waits_since: Since when its candidate waits for a person; None when none does.
        device_s: Device seconds that its runs took; None while they are not read.
    """
    record, config = summary.record, summary.record.config
    rows: Sequence[tuple[str, Span]] = (
        ("state", state_shown(summary, is_waiting=waits_since is not None)),
        *(
            ()
            if waits_since is None
            else ((("waits", (f"{age(waits_since)} for you", Role.WARN)),))
        ),
        ("task", (f"{record.task} · {record.track} · {record.profile}", Role.TEXT)),
        ("lineage", (record.lineage, Role.TEXT)),
        ("proposer", (config.proposer or DASH, Role.TEXT)),
        ("critic", (config.critic or DASH, Role.TEXT)),
        ("reviewer", (config.reviewer or DASH, Role.TEXT)),
        ("strategy", (config.strategy or DASH, Role.TEXT)),
        ("autonomy", (autonomy_words(config.autonomy), Role.TEXT)),
        *((("machine", (" and ".join(config.on), Role.TEXT)),) if config.on else ()),
        ("rounds", (f"{summary.rounds} of {config.rounds}", Role.TEXT)),
        ("promoted", (plural(summary.promoted, "candidate"), Role.TEXT)),
        (
            "spend",
            (
                f"{paid(summary.spend_usd, summary.reserved_usd)}{f' of {usd(budget)}' if budget else ', no limit'}",
                Role.TEXT,
            ),
        ),
        *(() if device_s is None else (("device", (f"{device_s:,.0f} s", Role.TEXT)),)),
        ("queued", (f"{age(record.created_at)} ago", Role.DIM)),
        (_SINCE[summary.state], (f"{age(summary.changed_at)} ago", Role.DIM)),
        *(
            [("report", (f"rsi report {record.id}", Role.TEXT))]
            if summary.state in ENDED_STATES
            else []
        ),
    )
    return [((f"{label:<10}", Role.DIM), value) for label, value in rows]


_SINCE: Mapping[CampaignState, str] = {
    CampaignState.QUEUED: "asked for", CampaignState.RUNNING: "started", CampaignState.PAUSED: "paused",
    CampaignState.PARKED: "parked", CampaignState.STOPPED: "stopped", CampaignState.FINISHED: "finished",
    CampaignState.FAILED: "failed",
}  # fmt: skip
"""What happened last to the campaign as a whole; its rounds have times of their own."""


def state_shown(summary: CampaignSummary, *, is_waiting: bool) -> Span:
    """A campaign's state with its sign; one that does nothing until a person decides is not said to be running.

    Args:
        summary: The campaign.
        is_waiting: A candidate of it waits for a person.
    """
    has_others = summary.record.config.parallel > 1
    if is_waiting and summary.state is CampaignState.RUNNING and not has_others:
        return "▲ waits", Role.WARN
    return campaign_state(summary.state)


def autonomy_words(level: int) -> str:
    """An autonomy level and what it means."""
    words = {0: "a person approves every run", 1: "a person approves each promotion",
             2: "policy promotes low risk", 3: "policy promotes"}  # fmt: skip
    return f"{level}: {words.get(level, 'unknown')}"
