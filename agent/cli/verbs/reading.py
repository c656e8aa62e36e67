"""Verbs that read: queue, rounds, show, log, report."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsi.agent.cli.context import chosen_campaign, emit, home, open_to_read, table
from rsi.agent.memory.inbox import decision_times_of, doubts, sure_gain
from rsi.agent.policy.audits import failed_audit, failed_audits
from rsi.agent.policy.controls import standing_of
from rsi.agent.queue.liveness import live_workers
from rsi.agent.queue.standstill import Standstill, standstills, state_text
from rsi.agent.report.activity import Activity, activity_of
from rsi.agent.report.files import write_report
from rsi.agent.report.filters import keeps, round_text
from rsi.agent.report.follow import describe_step
from rsi.agent.report.reasons import reason_after, why_ended
from rsi.agent.report.sentences import round_sentence
from rsi.agent.report.tally import tally
from rsi.agent.report.task_facts import KnownTasks, TaskFacts
from rsi.agent.report.wording import money_text, planted_text, tokens_text
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignState,
    CampaignSummary,
    ChargeRole,
    RequestKind,
    Spend,
    Step,
)
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.rounds import RoundView, case_at_gate
from rsi.agent.store.steps.facts import Critiqued, Reported, Reviewed
from rsi.agent.store.steps.values import RoundReport
from rsi.evals.types import Interval

SHOWN = (
    "record", "state", "hypothesis", "predicted_ratio", "effect", "searched", "reason", "planted",
    "commit", "decided_by", "tier", "has_reached_gate", "spend_usd",
    "reserved_usd",
)  # fmt: skip


def queue(args: argparse.Namespace) -> int:
    """Campaigns with their state, and what waits for a decision."""
    with open_to_read() as ledger:
        found = ledger.campaigns(limit=200)
        workers = live_workers(ledger)
        failed = failed_audits(ledger, found)
        still = standstills(ledger, found, home())
        doing = _doing(ledger, found, still)
        latest = [each.latest_round_id for each in found if each.latest_round_id is not None]
        at_gate = [
            each for each in latest if case_at_gate(ledger.steps(each), ledger.decisions(each))
        ]
        views = [RoundBook(ledger).one(each) for each in at_gate]
        times = decision_times_of(ledger)
    # As the cockpit's gate has them: the fewest doubts and the most to gain first.
    waiting = [each.id for each in sorted(views, key=lambda each: (doubts(each), -sure_gain(each)))]
    tasks = KnownTasks()
    lines = table(
        ("campaign", "task", "profile", "state", "rounds", "promoted", "spent", "created"),
        [_campaign_row(each, still.get(each.record.id), tasks.of(each.record)) for each in found],
    )
    if not found:
        lines = ["no campaign yet; `rsi run TASK` or `rsi demo` starts one"]
    lines += [f"waits for your decision: {each}" for each in waiting]
    if waiting and times.median_s is not None:
        lines.append(
            f"a decision took a person {times.median_s:.0f} s (median of {times.decisions})"
        )
    lines += [f"lineage {each.lineage}: {each.text}; {each.offer}" for each in failed]
    lines += [*still_lines(still), *(f"{name}: {each.text}" for name, each in doing.items())]
    emit(
        args,
        {
            "campaigns": list(found),
            "doing": doing,
            "waiting": waiting,
            "decision_times": times,
            "workers": list(workers),
            "still": still,
            "failed_audits": list(failed),
        },
        lines,
    )
    return 0


def rounds(args: argparse.Namespace) -> int:
    """Rounds of a campaign with verdicts and effects."""
    with open_to_read() as ledger:
        summary = chosen_campaign(ledger, args.campaign)
        all_rounds = RoundBook(ledger).of_campaign(summary.record.id)
        found = [each for each in all_rounds if keeps(args.only, round_text(each))]
        line = tally(ledger, summary.record.id).line
        spend = ledger.spend(summary.record.id)
        standing = standing_of(ledger, summary.record)
        failed = failed_audit(ledger, summary.record.lineage)
        still = standstills(ledger, [summary], home())
    facts = KnownTasks().of(summary.record)
    gain = facts.gain
    rows = [
        (
            each.record.id,
            _ended(each),
            show_interval(each.effect),
            "" if each.predicted_ratio is None else f"{each.predicted_ratio:.2f}x",
            each.hypothesis[:70],
        )
        for each in found
    ]
    emit(
        args,
        [_shown(each, gain) for each in found],
        [
            *table(("round", "ended as", "effect", "predicted", "hypothesis"), rows),
            "",
            *([f"quality: {facts.honesty}"] if facts.honesty else []),
            *(f"controls of this lineage: {each}" for each in standing.lines),
            *([f"spent: {paid}"] if (paid := _dollars(spend)) else []),
            *([f"{failed.text}; {failed.offer}"] if failed else []),
            line,
            *still_lines(still),
        ],
    )
    return 0


def show(args: argparse.Namespace) -> int:
    """Everything known about one round."""
    with open_to_read() as ledger:
        view = RoundBook(ledger).one(args.round)
        record, case = view.record, view.case
        campaign = ledger.campaign(record.campaign_id)
        measurements = ledger.measurements(record.id)
        spend = ledger.spend(round_id=record.id)
        reopened = [
            f"run again for {each.actor} after failing on our side: {each.reason}"
            for each in ledger.reopenings(record.id)
        ]
        extra = [
            f"more pairs: {each.handled.detail}"
            for each in ledger.requests(unhandled_only=False, campaign_id=campaign.id)
            if each.kind is RequestKind.AUDIT and each.round_id == record.id and each.handled
        ]
    lineage = Lineage.open(home(), campaign.lineage, create=False)
    diff = lineage.diff(view.parent, view.commit) if view.commit else ""
    if args.diff:
        emit(args, {"diff": diff}, diff.splitlines())
        return 0
    facts = KnownTasks().of(campaign)
    gain = facts.gain
    lines = [
        f"round {record.id}  {_ended(view)}  on {campaign.task} ({campaign.track}, {campaign.profile})",
        round_sentence(view, gain=gain),
        f"hypothesis  {view.hypothesis}",
        f"champion    {record.champion_commit[:12]}   candidate {str(view.commit)[:12]}",
        f"effect      {show_interval(view.effect) or 'not measured'}",
        *([f"quality     {facts.honesty}"] if facts.honesty else []),
        *([f"claim       {view.tier.value}: {view.tier.text}"] if view.tier else []),
        *(f"cost        {each}" for each in _costs(spend)),
        "",
        *[f"  {describe_step(each)}" for each in view.steps],
        *[f"  {each}" for each in (*reopened, *_alike(view), *_votes(view), *extra)],
        "",
        *table(
            ("purpose", "pair", "arm", "outcome", "CPU s", "wall s", "quality"),
            [
                (
                    each.purpose.value,
                    str(each.pair),
                    each.arm.value,
                    each.outcome.value,
                    _seconds(each.cpu_s),
                    _seconds(each.wall_s),
                    _quality(each.quality),
                )
                for each in measurements
            ],
        ),
        "",
        diff,
    ]
    if case is not None:
        lines.append(
            f"waits for your decision: `rsi approve {record.id} --commit {case.commit[:12]} --score {case.score_digest[:16]}` "
            f"is bound to commit {case.commit} and score {case.score_digest}"
        )
        lines += [f"held: {each}" for each in case.held_by]
        lines += [f"policy may not decide yet; it lacks that {each}" for each in case.unearned]
        lines += [case.drawn] if case.drawn else []
    emit(
        args,
        {
            "round": _shown(view, gain),
            "steps": view.steps,
            "measurements": list(measurements),
            "diff": diff,
            "case": case,
            "spend": {role.value: each for role, each in spend.items()},
        },
        lines,
    )
    return 0


def log(args: argparse.Namespace) -> int:
    """The notebook: every idea, its result and lesson."""
    with open_to_read() as ledger:
        summary = chosen_campaign(ledger, args.campaign)
        steps = ledger.steps_of(campaign_id=summary.record.id, step=Step.REPORT)
    reports = [each.fact.report for each in steps if isinstance(each.fact, Reported)]
    lines = [line for each in reports for line in _report_lines(each)]
    emit(args, reports, lines or ["no round has been reported yet"])
    return 0


def report(args: argparse.Namespace) -> int:
    """Write a campaign's report as HTML and Markdown."""
    here = home()
    with open_to_read() as ledger:
        campaign_id = chosen_campaign(ledger, args.campaign).record.id
        out = Path(args.out).resolve() if args.out else None
        path = write_report(here, ledger, campaign_id, out)
    emit(
        args,
        {"campaign": campaign_id, "path": str(path)},
        [str(path), f"{path.parent / 'report.md'}  (the same as text)"],
    )
    return 0


def show_interval(found: Interval | None) -> str:
    """A ratio as "1.42x [1.31, 1.55]"; empty for none."""
    return "" if found is None else found.text


def _doing(
    ledger: Ledger, campaigns: Sequence[CampaignSummary], still: Mapping[str, Standstill]
) -> dict[str, Activity]:
    """What each campaign that goes on does now, by id."""
    found = {
        each.record.id: activity_of(ledger, each.record.id)
        for each in campaigns
        if each.state is CampaignState.RUNNING and each.record.id not in still
    }
    return {name: each for name, each in found.items() if each is not None}


def still_lines(still: Mapping[str, Standstill]) -> list[str]:
    """Why campaigns do not go on, a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for campaign_id, each in still.items():
        by_reason.setdefault(each.reason, []).append(campaign_id)
    return [f"{', '.join(ids)}: {reason}" for reason, ids in by_reason.items()]


def _campaign_row(
    each: CampaignSummary, still: Standstill | None, facts: TaskFacts
) -> tuple[str, ...]:
    record = each.record
    level = f", {facts.honesty.partition(',')[0]}" if facts.honesty else ""
    return (
        record.id,
        f"{record.task} ({record.track}{level})",
        record.profile,
        state_text(each, still),
        str(each.rounds),
        str(each.promoted),
        money_text(each.spend_usd, each.reserved_usd, digits=2),
        f"{record.created_at:%Y-%m-%d %H:%M}",
    )


def _shown(view: RoundView, gain: str) -> Mapping[str, object]:
    """What scripts read of a round in JSON."""
    why = why_ended(view)
    return {
        **{name: getattr(view, name) for name in SHOWN},
        "why": why,
        "sentence": round_sentence(view, gain=gain),
    }


def _alike(view: RoundView) -> list[str]:
    """Failed ideas like the one of the last attempt, whole, one a line."""
    critique = view.left(Critiqued)
    return [] if critique is None else [f"tried before: {each}" for each in critique.duplicates]


def _votes(view: RoundView) -> list[str]:
    """The reviewer's votes of the last attempt, one a line."""
    review = view.left(Reviewed)
    votes = () if review is None else review.votes
    return [f"vote of {each.voter}: {each.worst or 'no finding'}" for each in votes]


def _ended(view: RoundView) -> str:
    """How it ended, why, and what was planted in it."""
    planted = "" if view.planted is None else f" ({planted_text(view)})"
    return f"{view.ended_as}{reason_after(view)}{planted}"


def _dollars(spend: Mapping[ChargeRole, Spend]) -> str:
    return ", ".join(
        f"{role.value} {money_text(each.spent_usd, each.reserved_usd)}"
        for role, each in spend.items()
        if each.spent_usd
    )


def _costs(spend: Mapping[ChargeRole, Spend]) -> list[str]:
    """What each role of a round cost, real and reserved apart, one a line."""
    return [
        ", ".join(
            filter(
                None,
                (
                    f"{role.value}: {each.calls} calls",
                    money_text(each.spent_usd, each.reserved_usd),
                    tokens_text(sum(each.tokens.values()), each.reserved_tokens),
                ),
            )
        )
        for role, each in spend.items()
        if role is not ChargeRole.DEVICE
    ]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _quality(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())


def _report_lines(report: RoundReport) -> list[str]:
    return [
        f"{report.round_id}  {report.outcome}  (prediction: {report.accuracy})",
        f"  idea     {report.hypothesis}",
        f"  changed  {report.changed}",
        f"  lesson   {report.lesson}",
        "",
    ]
