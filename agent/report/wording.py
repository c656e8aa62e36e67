"""Words and numbers of a report, the same in every format."""

from rsi.agent.report.campaign_report import CampaignReport, ReportedRound, Standing
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.stages import bottleneck
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
    return lines


def prediction_text(line: RoundView) -> str:
    """What the proposer expected."""
    return "" if line.predicted_ratio is None else f"{line.predicted_ratio:.2f}x"


def why_text(reported: ReportedRound) -> str:
    """Why a round ended as it did, in its own words."""
    return reported.line.reason or reported.line.lesson


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


def time_sentence(report: CampaignReport) -> str:
    """Where the time went, in one sentence."""
    first = bottleneck(report.time)
    if first is None:
        return "No step has finished yet."
    return (
        f"The bottleneck is {first.stage.value}: {duration_text(first.wall_s)}, "
        f"{first.share:.0%} of the campaign's time."
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
