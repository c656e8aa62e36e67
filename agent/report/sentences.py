"""One sentence in plain English about a round, for whoever reads nothing else: from facts, never by a model.

Pure. What stands below it on every screen and page is its proof. Does not: quote a model or what a candidate printed.
"""

import math
from collections.abc import Callable

from rsi.agent.report.reasons import (
    RULES_SOURCE,
    Reason,
    Why,
    broken_guard,
    broken_quality,
    deciding_score,
    why_ended,
    worst_outcome,
)
from rsi.agent.store.records import Step
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.steps.facts import Committed, Proposed
from rsi.evals.types import Interval, QualityResult, Score, Severity, Verdict

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")  # fmt: skip
NOTHING_SAID_RATIO = 4.0
"""An interval whose ends are further apart than this, with 1 between them, cannot tell half from double."""


def round_sentence(view: RoundView, *, gain: str = "") -> str:
    """What a round has come to, and what it cost.

    Args:
        view: The round.
        gain: What a candidate is whose number is better, as the task's metric kind says: "faster" or "better"; empty where
            the task is not at hand, which is said so that both are meant.
    """
    clauses = [_planted(view), *_outcome(view, gain), _size(view), _cost(view)]
    said = "; ".join(filter(None, clauses))
    return said[:1].upper() + said[1:] + "."


def effect_words(effect: Interval, gain: str = "") -> str:
    """Such as "1.86 times as fast, surely above 1.79 (95%)"; what is slower is said the other way round."""
    as_what = "as fast" if gain == "faster" else "as good"
    level = f" ({effect.confidence:.0%})"
    if says_nothing(effect):
        return f"between {_number(effect.low)} and {_number(effect.high)} times {as_what}{level}, which says nothing"
    if effect.low > 1:
        return (
            f"{_number(effect.estimate)} times {as_what}, surely above {_below(effect.low)}{level}"
        )
    if effect.high >= 1:
        return f"between {_number(effect.low)} and {_number(effect.high)} times {as_what}{level}"
    if gain == "faster":
        return f"it takes {_number(1 / effect.estimate)} times as long, surely above {_below(1 / effect.high)}{level}"
    return f"{_number(effect.estimate)} times {as_what}, surely below {_above(effect.high)}{level}"


def says_nothing(effect: Interval) -> bool:
    """Whether an interval is so wide that its clock told nothing."""
    return effect.low < 1 < effect.high and effect.high > NOTHING_SAID_RATIO * effect.low


def counted(number: int, word: str) -> str:
    """Such as "no remark", "one remark", "two remarks", "21 lines"."""
    said = _NUMBERS[number] if number < len(_NUMBERS) else f"{number:,}"
    return f"{said} {word}" if number == 1 else f"{said} {word}s"


# --- what came of it ---


def _outcome(view: RoundView, gain: str) -> list[str]:
    score, why = deciding_score(view), why_ended(view)
    if why is not None:
        return [_refusal(view, why, gain), *_still(view, score, why, gain)]
    if view.state.verdict is None and not view.is_waiting:
        return [_under_way(view)]
    said = [] if score is None else [_effect(score, gain), *_qualities(score)]
    return [_lead(view, said), *said[1:], *_doubts(view, score)]


def _lead(view: RoundView, said: list[str]) -> str:
    first = said[0] if said else "nothing was measured"
    if view.is_waiting:
        return f"waits for a decision: {first}"
    return f"promoted by {_name(view.decided_by)}: {first}"


def _effect(score: Score, gain: str) -> str:
    return "its effect is not known" if score.effect is None else effect_words(score.effect, gain)


def _qualities(score: Score) -> list[str]:
    if not score.quality:
        return []
    if not all(each.is_kept for each in score.quality):
        return ["quality not settled"]
    same = all(map(_is_unchanged, score.quality))
    return ["quality unchanged" if same else "quality within its margin"]


def _is_unchanged(each: QualityResult) -> bool:
    low, high = each.difference_low, each.difference_high
    return low is not None and high is not None and low <= 0 <= high


def _doubts(view: RoundView, score: Score | None) -> list[str]:
    rules = [each for each in view.findings if each.source == RULES_SOURCE]
    reviewer = len(view.findings) - len(rules)
    said = [
        f"{counted(number, 'remark')} by the {who}"
        for number, who in ((len(rules), "rules"), (reviewer, "reviewer"))
        if number
    ]
    doubts = [" and ".join(said) if said else "no remark by rules or reviewer"]
    if score is not None and not score.is_plausible:
        doubts.insert(0, "more than is plausible in one step")
    if view.held_by:
        doubts.append(f"{counted(len(view.held_by), 'reason')} to look closely")
    return doubts


def _under_way(view: RoundView) -> str:
    step = view.state.step
    if step is None:
        return "over"
    again = f", attempt {view.state.attempt + 1}" if view.state.attempt else ""
    return f"under way: step {list(Step).index(step) + 1} of {len(Step)}, {step.value}{again}"


# --- why it went no further ---


def _refusal(view: RoundView, why: Why, gain: str) -> str:
    score = deciding_score(view)
    if score is not None and why.reason in {Reason.QUALITY, Reason.GUARD}:
        return _breach(score, why)
    worst = None if score is None else worst_outcome(score)
    if score is not None and worst is not None and why.reason in _RUNS:
        return (
            f"invalid because {worst[1]} of {sum(score.outcomes.values())} runs {_RUNS[why.reason]}"
        )
    if score is not None and score.effect is not None and why.reason in _EFFECTS:
        again = " on fresh seeds and hidden data" if view.confirm is not None else ""
        said = _EFFECTS[why.reason]
        if why.reason is Reason.WORSE and gain == "faster":
            said = "refused because it is slower"
        return f"{said}{again}: {effect_words(score.effect, gain)}"
    return _SAID[why.reason].format(about=_about(view, why))


_EFFECTS = {
    Reason.WORSE: "refused because it is worse",
    Reason.NO_GAIN: "refused because there is no gain worth having",
    Reason.NOISE: "not settled",
}
_RUNS = {
    Reason.CHEAT: "changed what a run must not touch",
    Reason.CRASH: "crashed",
    Reason.MEMORY: "ran out of memory",
    Reason.TIMEOUT: "ran past the time limit",
    Reason.NO_RESULT: "left no valid result",
}
_SAID = {
    Reason.QUALITY: "refused because quality is worse",
    Reason.GUARD: "refused by a guard",
    Reason.WORSE: "refused because it is worse",
    Reason.NO_GAIN: "refused because there is no gain worth having",
    Reason.NOISE: "not settled, the noise is larger than the gain",
    **{reason: f"invalid because its runs {words}" for reason, words in _RUNS.items()},
    Reason.DISTURBED: "invalid because the machine was disturbed, which is not held against it",
    Reason.RULES: "not run: refused by the rules before anything ran{about}",
    Reason.CRITIC: "given up before it was measured, because the critic objected",
    Reason.REVIEWER: "turned down by the reviewer",
    Reason.PERSON: "turned down by {about}",
    Reason.POLICY: "turned down by policy",
    Reason.GAVE_UP: "the agent gave its idea up{about}, which is no fault of the evaluation",
    Reason.NO_PATCH: "the agent handed nothing in{about}",
    Reason.NO_CHANGE: "it changes nothing",
    Reason.CONFLICT: "its patch does not apply",
    Reason.BUDGET: "the budget was spent before it was done{about}",
    Reason.CHAMPION_MOVED: "not promoted, because the champion moved meanwhile",
    Reason.STOPPED: "stopped by a person before it was done",
    Reason.OURS: "a failure of ours, which is not held against it",
}


def _about(view: RoundView, why: Why) -> str:
    match why.reason:
        case Reason.PERSON:
            return why.about
        case Reason.GAVE_UP | Reason.NO_PATCH:
            proposed = view.left(Proposed)
            return "" if proposed is None else f" after {counted(proposed.turns, 'turn')}"
        case _:
            return f" ({why.about})" if why.about else ""


def _breach(score: Score, why: Why) -> str:
    quality, guard = broken_quality(score), broken_guard(score)
    if quality is not None:
        is_open = score.verdict is Verdict.INCONCLUSIVE
        lead = "not settled because of quality" if is_open else "refused because quality is worse"
        return f"{lead}: {_quality(quality)}"
    if guard is not None and guard.value is not None:
        return f"refused by a guard: {guard.name} is {guard.value:.3g}, at most {guard.bound:.3g} is allowed"
    return _SAID[why.reason]


def _quality(each: QualityResult) -> str:
    text = f"{each.name} {_number(each.champion_mean)} → {_number(each.candidate_mean)}"
    if each.limit is not None and each.difference_low is None:
        return f"{text}, the limit is {each.limit:g}"
    return text if each.margin is None else f"{text}, a margin of {each.margin:g} is allowed"


def _still(view: RoundView, score: Score | None, why: Why, gain: str) -> list[str]:
    """What was measured all the same."""
    if score is None or score.effect is None or why.reason in _EFFECTS:
        return []
    blocked = sum(each.severity is Severity.BLOCK for each in view.findings)
    found = [f"{counted(blocked, 'finding')} against it"] if why.reason is Reason.REVIEWER else []
    return [*found, f"measured {effect_words(score.effect, gain)}"]


# --- size and cost ---


def _planted(view: RoundView) -> str:
    planted = view.planted
    if planted is None:
        return ""
    return f"a test of the evaluator, planted {planted.kind.value} {planted.name}".rstrip()


def _size(view: RoundView) -> str:
    committed = view.left(Committed)
    if committed is None:
        return ""
    lines = counted(committed.lines_added + committed.lines_removed, "line")
    return f"{lines} in {counted(len(committed.files), 'file')}" if committed.files else lines


def _cost(view: RoundView) -> str:
    real = view.spend_usd - view.reserved_usd
    parts = [f"${real:.2f}" if real >= 0.01 else "less than a cent"] if real > 0 else []
    if view.reserved_usd > 0:
        parts.append(f"${view.reserved_usd:.2f} reserved")
    if view.device_s:
        parts.append(
            "a device second" if view.device_s < 2 else f"{view.device_s:,.0f} device seconds"
        )
    return f"cost {' and '.join(parts)}" if parts else ""


def _name(actor: str | None) -> str:
    kind, _, name = (actor or "").partition(":")
    return name if kind == "person" and name else "policy"


def _number(value: float | None) -> str:
    """Three digits that count, without an exponent: 0.0714, 1.86, 38.9, 1,240."""
    if value is None:
        return "nothing"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 6)}f}"


def _below(value: float) -> str:
    """The same, never more than the value: what is surely exceeded is not rounded up."""
    return _number(_rounded(value, math.floor))


def _above(value: float) -> str:
    return _number(_rounded(value, math.ceil))


def _rounded(value: float, to_whole: Callable[[float], int]) -> float:
    scale = 10.0 ** max(0, 2 - math.floor(math.log10(value)))
    return to_whole(value * scale) / scale
