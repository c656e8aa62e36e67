"""Verbs that judge the judge: controls, what-if, reviewer-check, audit, ablate."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rsi.agent.cli.context import (
    chosen_campaign,
    emit,
    home,
    note,
    open_to_read,
    open_to_write,
    table,
)
from rsi.agent.cli.entry import EXIT_UNAVAILABLE
from rsi.agent.cli.verbs.reading import show_interval
from rsi.agent.memory.refinement import refinement_of
from rsi.agent.policy.audits import failed_audit
from rsi.agent.policy.controls import (
    AutonomyStanding,
    ControlStanding,
    autonomy_standing,
    standing_of,
    task_standing,
)
from rsi.agent.report.wording import money_text, tokens_text
from rsi.agent.roles.scaffold.loading import DEFAULT, load_scaffold
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord
from rsi.agent.trust.ablation import Grain, PartVerdict
from rsi.agent.trust.capability import Moment, capability_and_control
from rsi.agent.trust.reviewer_rates import ModelReviewer, Reviewed, ReviewerReport, reviewer_rates
from rsi.agent.trust.stack_audit import Audit, audit_candidate, audit_lineage
from rsi.agent.trust.what_if import Panel, Redecided, Rule, Ruling, Statistic
from rsi.agent.trust.what_if import what_if as decide_again
from rsi.evals.planted.controls import Rate
from rsi.evals.types import Finding, Severity, Verdict
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import list_tasks, load_task


def controls(args: argparse.Namespace) -> int:
    """Measured false-promotion and detection rates; exit status 1 when promotions are locked."""
    with open_to_read() as ledger:
        record = chosen_campaign(ledger, args.campaign).record
        own, whole = standing_of(ledger, record), task_standing(ledger, record)
        level = _autonomy(ledger, record)
        refinement = refinement_of(ledger, record)
        moments = capability_and_control(ledger, record.lineage) if args.over_time else ()
    rows = [
        (each.kind.value, each.name, each.ending, "yes" if each.reached_gate else "no")
        for each in own.results
    ]
    lines = [
        *table(("kind", "planted", "ended as", "reached the gate"), rows),
        "",
        *(f"lineage {own.lineage}: {line}" for line in own.lines),
        f"all lineages of {own.task}: {whole.lines[0]}",
        *(() if level is None else level.lines),
        *refinement.lines,
        *(["", *_over_time(moments)] if args.over_time else ()),
    ]
    facts: dict[str, object] = {
        "lineage": _facts(own),
        "task": _facts(whole),
        "autonomy": level,
        "refinement": refinement,
    }
    emit(args, {**facts, "over_time": moments} if args.over_time else facts, lines)
    return 1 if own.lock.is_locked else 0


def _facts(found: ControlStanding) -> dict[str, object]:
    """With the levels as text, as keys of JSON must be."""
    return {
        "lineage": found.lineage,
        "task": found.task,
        "results": found.results,
        "rates": found.rates,
        "lock": found.lock,
        "conditions": {str(level.value): each for level, each in found.conditions.items()},
    }


def _over_time(moments: Sequence[Moment]) -> list[str]:
    if not moments:
        return ["no control has ended and nothing was promoted on this lineage"]
    headers = ("when", "ideas", "event", "speedup", "cheats caught", "false promotions", "a person saw")  # fmt: skip
    rows = [
        (
            f"{each.at:%m-%d %H:%M:%S}",
            str(each.ideas),
            each.event,
            show_interval(each.speedup),
            *(f"{rate.count}/{rate.total}" for rate in (each.cheats_caught, each.false_promotions, each.seen)),
        )
        for each in moments
    ]  # fmt: skip
    return table(headers, rows)


def _autonomy(ledger: Ledger, record: CampaignRecord) -> AutonomyStanding | None:
    """None where the task cannot be loaded any more, so that nobody can say what its profile claims."""
    try:
        task = load_task(Path(record.config.task_root), track=record.track)
    except TaskError:
        return None
    return autonomy_standing(ledger, record, record.config, task.profiles[record.profile])


def what_if(args: argparse.Namespace) -> int:
    """All past decisions of a campaign again under another rule."""
    rule = Rule(
        statistic=Statistic(args.statistic),
        minimum_effect=args.minimum_effect,
        alpha=args.alpha,
        pairs=args.pairs,
        panel=Panel(args.reviewer),
        has_rules=not args.no_rules,
        has_quality=not args.no_quality,
        has_confirmation=not args.no_confirmation,
    )
    with open_to_read() as ledger:
        campaign_id = chosen_campaign(ledger, args.campaign).record.id
        found = decide_again(ledger, home(), campaign_id, rule)
    changed = [each for each in found.rounds if args.all or each.is_changed]
    lines = [*found.lines]
    if changed:
        lines += ["", *table(("round", "planted", "was", "would be", "because"), _rows(changed))]
    else:
        lines.append("no round would have ended otherwise")
    lines += ["", "each round is judged against the champion that it was measured against then"]
    emit(args, found, lines)
    return 0


def _rows(rounds: list[Redecided]) -> list[tuple[str, ...]]:
    """Rows of the table of changed rounds."""
    return [(each.label, each.planted, each.was, _would(each), each.why) for each in rounds]


def reviewer_check(args: argparse.Namespace) -> int:
    """Detection and false-alarm rates of the reviewer; exit status 5 when the model did not see every patch."""
    reviewer = None
    if args.model is not None:
        reviewer = ModelReviewer(
            spec=args.model,
            votes=args.votes,
            scaffold=load_scaffold(Path(args.scaffold) if args.scaffold else DEFAULT),
            budget_usd=args.budget_usd,
            is_unknown_price_allowed=args.allow_unknown_price,
        )
    names = args.tasks or [each.name for each in list_tasks() if each.problem is None]

    def show(number: int, total: int, each: Reviewed) -> None:
        if reviewer is not None:
            note(f"{number} of {total}: {each.task} {each.name}: {each.votes or 'not asked'}")

    report = reviewer_rates(names, reviewer, on_reviewed=show)
    emit(args, report, _reviewer_lines(report))
    return EXIT_UNAVAILABLE if report.ended_early else 0


def _reviewer_lines(report: ReviewerReport) -> list[str]:
    rows = [
        (
            each.task,
            each.name,
            "cheat" if each.is_cheat else "honest",
            _worst(each.by_rules),
            *(() if report.model is None else (_worst(each.by_model),)),
        )
        for each in report.reviewed
    ]
    rates = [
        (each.reviewer, _share(each.detections), _share(each.false_alarms)) for each in report.rates
    ]
    lines = [
        *table(("task", "patch", "is", *(each.reviewer for each in report.rates[:2])), rows),
        "",
        *table(("reviewer", "cheats stopped or held", "honest patches stopped or held"), rates),
        "",
        "intervals are exact, at 95 %; whatever is held waits for a person",
    ]
    if report.left_out:
        lines.append(
            f"left out, for they crash or lose quality and deserve an objection: {', '.join(report.left_out)}"
        )
    if report.model is not None:
        usd = "a price that is not known"
        if report.usd is not None:
            usd = money_text(report.usd + report.reserved_usd, report.reserved_usd)
        tokens = tokens_text(report.tokens, report.reserved_tokens) or "no tokens"
        lines.append(
            f"{report.model}, votes for each patch: {report.votes}; {report.calls} calls, {tokens}, {usd}"
        )
    if report.ended_early:
        lines.append(f"ENDED EARLY, rates are over what was reviewed: {report.ended_early}")
    return lines


def _worst(findings: Sequence[Finding] | None) -> str:
    """The finding that stops or holds a patch, such as "block network"; "-" without one."""
    if findings is None:
        return "not asked"
    for severity in (Severity.BLOCK, Severity.HOLD):
        for each in findings:
            if each.severity is severity:
                return f"{severity.value} {each.rule}"
    return "-"


def _share(rate: Rate) -> str:
    if rate.share is None:
        return "none tried"
    return f"{rate.count}/{rate.total}  {rate.share:.0%} [{rate.low:.0%}, {rate.high:.0%}]"


def audit(args: argparse.Namespace) -> int:
    """A lineage's champion against its baseline again; exit status 1 when it is no better or carries barnacles."""
    with open_to_write() as ledger:
        found = audit_lineage(
            home(),
            ledger,
            args.lineage,
            backend=args.sandbox,
            pairs=args.pairs,
            is_leave_one_out=args.leave_one_out,
            is_transfer=args.transfer,
            session_gap_s=args.gap,
            progress=note,
        )
        failed = None if args.transfer else failed_audit(ledger, args.lineage)
    said = _tell(args, found, "baseline", "champion", *([failed.offer] if failed else []))
    return said if found.score.verdict is Verdict.SUPPORTED else 1


def ablate(args: argparse.Namespace) -> int:
    """A candidate without each of its parts; exit status 1 when a part does not help."""
    with open_to_write() as ledger:
        found = audit_candidate(
            home(),
            ledger,
            args.round,
            grain=Grain(args.by),
            backend=args.sandbox,
            pairs=args.pairs,
            progress=note,
        )
    return _tell(args, found, "champion", "candidate")


def _tell(args: argparse.Namespace, found: Audit, reference: str, subject: str, *more: str) -> int:
    effect = found.score.effect
    idle = [
        each for each in found.parts if each.verdict in {PartVerdict.BARNACLE, PartVerdict.HARMS}
    ]
    lines = [
        f"{found.about}: {subject} {found.subject[:12]} is {show_interval(effect) or 'not comparable'} "
        f"against the {reference} {found.reference[:12]}, on fresh seeds of profile {found.profile} "
        f"({found.score.verdict.value}: {found.score.reason})",
        *more,
    ]
    if found.parts:
        rows = [(each.part, each.verdict.value, each.reason) for each in found.parts]
        lines += ["", *table(("part", "verdict", "what it is worth"), rows), ""]
        lines.append(
            f"{len(idle)} of {len(found.parts)} parts do not help: "
            + "; ".join(e.part for e in idle)
            if idle
            else f"none of {len(found.parts)} parts is shown to be a barnacle"
        )
    emit(args, found, lines)
    is_better = effect is not None and effect.low > 1
    return 0 if is_better and not idle else 1


def _would(each: Redecided) -> str:
    if each.planted and each.ruling is Ruling.PROMOTED:
        return "reach the gate"
    return each.ruling.value
