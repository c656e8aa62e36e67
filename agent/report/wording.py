"""Words and numbers of a report, the same in every format."""

from rsi.agent.memory.horizon import Horizon
from rsi.agent.report.campaign_report import CampaignReport, ReportedRound, Standing
from rsi.agent.report.reasons import reason_line
from rsi.agent.report.sentences import effect_words
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.stages import bottleneck
from rsi.agent.store.steps.facts import Briefed, Opened
from rsi.evals.planted.controls import ControlKind
from rsi.evals.types import Interval


def interval_text(effect: Interval | None) -> str:
    """A ratio with its interval, such as "1.42x [1.31, 1.55]"; "not measured" when there is none."""
    return "not measured" if effect is None else effect.text


def confidence_text(effect: Interval) -> str:
    """What the brackets mean."""
    return f"{effect.confidence:.0%} interval over {effect.pairs} pairs"


def duration_text(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def planted_text(line: RoundView) -> str:
    """What was planted in a round and whether it was caught; empty for an honest idea."""
    planted = line.planted
    if planted is None:
        return ""
    if line.state.verdict is None:
        return f"planted {planted.kind.value} {planted.name}"
    match planted.kind:
        case ControlKind.CHEAT:
            how = "caught" if line.is_caught else "NOT CAUGHT"
            return f"planted cheat {planted.name}: {how}"
        case ControlKind.POSITIVE:
            return f"known gain {planted.name}: {'found' if line.has_reached_gate else 'MISSED'}"
        case ControlKind.NULL | ControlKind.NEGATIVE:
            kind = "null patch" if planted.kind is ControlKind.NULL else "known loss"
            passed = ": FALSE PROMOTION" if line.has_reached_gate else ""
            return f"planted {kind} {planted.name}{passed}"


def is_wrong(line: RoundView) -> bool:
    """Whether what was planted in a round went where it must not go, or was not found."""
    if line.planted is None or line.state.verdict is None:
        return False
    if line.planted.is_cheat:
        return not line.is_caught
    return line.has_reached_gate != (line.planted.kind is ControlKind.POSITIVE)


def standing_lines(report: CampaignReport) -> tuple[str, ...]:
    """Measured control quality on the lineage, and over the task where other lineages add to it."""
    lines = tuple(f"This lineage: {line}." for line in report.controls.lines)
    if len(report.task_controls.results) > len(report.controls.results):
        lines += (f"All lineages of this task: {report.task_controls.lines[0]}.",)
    if report.hidden_splits:
        once = (
            "one candidate" if report.most_looks == 1 else f"up to {report.most_looks} candidates"
        )
        lines += (
            f"{report.hidden_splits} hidden splits were drawn; each was looked at for {once}.",
        )
    if report.refinement.refined.attempts:
        lines += tuple(
            f"All campaigns of this task and model: {line}." for line in report.refinement.lines
        )
    return lines


def prediction_text(line: RoundView) -> str:
    """What the proposer expected."""
    return "" if line.predicted_ratio is None else f"{line.predicted_ratio:.2f}x"


def why_text(reported: ReportedRound) -> str:
    """Why a round ended as it did, in its own words."""
    return reason_line(reported.line.reason or reported.line.lesson)


def claim_text(reported: ReportedRound) -> str:
    """How far the claim has come, and what can be reached at best; empty when nothing was measured."""
    parts = [] if reported.line.tier is None else [reported.line.tier.value]
    if reported.best_reachable is not None:
        parts.append(f"best reachable {reported.best_reachable:.1f}x")
    return ", ".join(parts)


def standing_text(each: Standing) -> str:
    """One measurement of a champion: what it was, and against what."""
    what = each.hypothesis or f"champion {short(each.commit)}"
    return f"{what}, against {each.against.value}"


def money_text(spent_usd: float, reserved_usd: float, digits: int = 4) -> str:
    """Dollars, with the part apart that is only reserved, because nobody told what those calls cost."""
    real = f"${spent_usd - reserved_usd:.{digits}f}"
    return real if reserved_usd <= 0 else f"{real} and ${reserved_usd:.{digits}f} reserved"


def tokens_text(real: int, reserved: int) -> str:
    """Tokens, with the part apart that is only reserved; empty when there are none."""
    if not reserved:
        return f"{real} tokens" if real else ""
    return f"{real} tokens and {reserved} reserved"


def cost_lines(report: CampaignReport) -> tuple[str, ...]:
    """What each role cost; one sentence when nothing did."""
    lines = []
    for spend in report.spend:
        parts = [
            "1 call" if spend.calls == 1 else f"{spend.calls} calls",
            money_text(spend.spent_usd, spend.reserved_usd),
        ]
        if spend.unknown_calls:
            parts.append(f"{spend.unknown_calls} calls at an unknown price, not counted")
        if tokens := tokens_text(sum(spend.tokens.values()), spend.reserved_tokens):
            parts.append(tokens)
        if spend.device_s > 0:
            parts.append(f"{duration_text(spend.device_s)} of device time")
        lines.append(f"{spend.role.value}: {', '.join(parts)}")
    return tuple(lines) or ("nothing was charged",)


def headline(report: CampaignReport) -> str:
    """What the campaign came to, for somebody who reads nothing else."""
    effect, facts = report.tally.speedup, report.facts
    is_start = report.champion is None or report.champion == report.baseline
    if report.failed_audit is not None:
        won = "Nothing is claimed: the champion's audit does not support it"
    elif effect is not None and not is_start:
        is_last = not report.audits or report.audits[-1].commit in (None, report.champion)
        who = "The champion is" if is_last else "A champion before the present one is"
        won = f"{who} {effect_words(effect, facts.gain)} against the original"
    elif is_start:
        won = "Nothing was found that is better than the original"
    else:
        won = "A better champion was found, and not yet measured against the original"
    ideas = [each.line for each in report.rounds if each.line.planted is None]
    kept = f"{_of(report.tally.promoted, len(ideas), 'idea')} kept"
    caught = f"{_of(report.tally.cheats_caught, report.tally.cheats, 'planted cheat')} caught"
    device_s = sum(each.device_s for each in report.spend)
    money = sum(each.spent_usd for each in report.spend)
    reserved = sum(each.reserved_usd for each in report.spend)
    cost = f"cost {money_text(money, reserved, 2)} and {duration_text(device_s)} of device time"
    return "; ".join([won, kept, *([caught] if report.tally.cheats else []), cost]) + "."


def _of(part: int, whole: int, word: str) -> str:
    return f"{part} of {whole} {word}{'' if whole == 1 else 's'}"


def about_rows(report: CampaignReport) -> tuple[tuple[str, str], ...]:
    """Label and value of what the campaign was: task, machine, isolation, models, time."""
    record, facts = report.summary.record, report.facts
    config, lines = record.config, [each.line for each in report.rounds]
    opened = next(filter(None, (each.left(Opened) for each in lines)), None)
    briefed = next(filter(None, (each.left(Briefed) for each in lines)), None)
    models = [
        ("proposer", config.proposer),
        ("critic", config.critic),
        ("reviewer", config.reviewer),
    ]
    sandbox = "" if opened is None else f"{opened.backend}, assurance {opened.assurance}"
    rows = (
        ("task", facts.description),
        (
            "measured",
            f"{facts.metric}; {'lower' if facts.is_lower_better else 'higher'} is better"
            if facts.metric
            else "",
        ),
        ("quality", facts.honesty),
        ("machine", "" if briefed is None else briefed.machine),
        ("isolation", sandbox),
        ("models", ", ".join(f"{role} {name}" for role, name in models if name)),
        ("autonomy", f"level {config.autonomy}"),
        (
            "time",
            f"{record.created_at:%Y-%m-%d %H:%M} to {report.summary.changed_at:%Y-%m-%d %H:%M} UTC",
        ),
    )
    return tuple((label, text) for label, text in rows if text)


def absolute_text(reported: ReportedRound, unit: str) -> str:
    """The deciding number before and after, such as "6.99 → 4.98 s"; empty where nothing was measured."""
    if reported.absolute is None:
        return ""
    before, after = reported.absolute
    return f"{before:.4g} → {after:.4g} {unit}".rstrip()


def horizon_sentence(horizon: Horizon) -> str:
    """Whose horizon it is, and how long, or why there is none."""
    whose = f"{horizon.model} at profile {horizon.profile}" + (
        " (scripted: nobody thought)" if horizon.is_scripted else ""
    )
    if horizon.half is None or horizon.four_fifths is None:
        return f"{whose}: no horizon, for {horizon.reason}."
    return (
        f"{whose} climbs half of the rungs that take an expert {horizon.half.text}, and four of five of those that take "
        f"{horizon.four_fifths.text}."
    )


def time_sentence(report: CampaignReport) -> str:
    """Where the time went, in one sentence."""
    first = bottleneck(report.time)
    if first is None:
        return "No step has finished yet."
    return (
        f"The bottleneck is {first.stage.value}: {duration_text(first.wall_s)}, "
        f"{first.share:.0%} of the campaign's time. Review contains the confirming runs."
    )


def speedup_sentence(report: CampaignReport) -> str:
    """The cumulative speedup or other gain, measured and never multiplied up."""
    if report.failed_audit is not None:
        return f"No {report.tally.word} is claimed: {report.failed_audit.text}. {report.failed_audit.offer}."
    effect = report.tally.speedup
    if effect is None and report.tally.unsupported is not None:
        return f"No {report.tally.word} is claimed: the last audit is {report.tally.unsupported}, of a champion that was taken back since."
    if effect is None:
        return "The champion has not been measured against the original baseline."
    if report.champion is not None and report.champion == report.baseline:
        return "The champion is still the original baseline."
    measured = report.audits[-1].commit if report.audits else None
    if measured is not None and measured != report.champion:
        return (
            f"Champion {short(measured)} was {interval_text(effect)} against the original baseline, measured with fresh "
            f"seeds ({confidence_text(effect)}); {short(report.champion)}, champion after it, was not measured so."
        )
    return (
        f"The champion is {interval_text(effect)} against the original baseline, "
        f"measured again with fresh seeds ({confidence_text(effect)})."
    )


def short(commit: str | None) -> str:
    """The first twelve digits of a commit."""
    return "none" if commit is None else commit[:12]
