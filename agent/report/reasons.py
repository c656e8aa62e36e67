"""Why a round ended as it did, in a word or two that every list shows and every filter finds.

Pure, from the round's facts alone. Does not: quote a model or what a candidate printed; only rules' names, numbers and a
person's own words are said again.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from rsi.agent.store.records import Step
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.state import RoundVerdict
from rsi.agent.store.steps.facts import Admitted, Halted, Proposed
from rsi.evals.judge.causes import QUALITY_SAID, Cause, cause_of
from rsi.evals.types import GuardResult, Outcome, QualityResult, Score, Severity, Verdict

RULES_SOURCE = "rules"
"""Source of a finding that no model made."""


_PRINTED = re.compile(
    r"(exit status -?\d+|went over its memory limit|printed more than is allowed): (.*\n.*)",
    re.DOTALL,
)
"""How a run ended, and the end of what it printed: more than one line."""


def reason_line(text: str) -> str:
    """A reason whose traceback is cut to its last line, where the exception's message stands; all of it is in the log."""

    def last_line(found: re.Match[str]) -> str:
        lines = [each.strip() for each in found[2].splitlines() if each.strip()]
        return f"{found[1]}: {lines[-1]}" if lines else found[1]

    return _PRINTED.sub(last_line, text)


class Reason(StrEnum):
    """What stood in a candidate's way."""

    QUALITY = "quality"
    GUARD = "guard"
    WORSE = "worse"
    NO_GAIN = "no gain"
    NOISE = "noise"
    CRASH = "crash"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    NO_RESULT = "no result"
    CHEAT = "cheat"
    DISTURBED = "disturbed"
    RULES = "rules"
    CRITIC = "critic"
    REVIEWER = "reviewer"
    PERSON = "person"
    POLICY = "policy"
    GAVE_UP = "gave up"
    NO_PATCH = "no patch"
    NO_CHANGE = "no change"
    CONFLICT = "conflict"
    BUDGET = "budget"
    CHAMPION_MOVED = "champion moved"
    STOPPED = "stopped"
    OURS = "our failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A reason with what it is about."""

    reason: Reason
    about: str = ""
    """The quality, the guard, the rule, the person; empty where the reason says it all."""

    @property
    def text(self) -> str:
        """Such as "quality" or "quality hidden_bpb"."""
        return f"{self.reason} {self.about}".rstrip()


_OF_OUTCOME = {
    Outcome.TAMPERED: Reason.CHEAT,
    Outcome.OUT_OF_TURN: Reason.CHEAT,
    Outcome.CRASHED: Reason.CRASH,
    Outcome.OOM: Reason.MEMORY,
    Outcome.TIMEOUT: Reason.TIMEOUT,
    Outcome.INVALID_OUTPUT: Reason.NO_RESULT,
}
"""Worst first."""
_OF_VERDICT = {
    RoundVerdict.WITHDRAWN: Reason.CRITIC,
    RoundVerdict.GAVE_UP: Reason.GAVE_UP,
    RoundVerdict.NO_PATCH: Reason.NO_PATCH,
    RoundVerdict.OUT_OF_BUDGET: Reason.BUDGET,
    RoundVerdict.EMPTY: Reason.NO_CHANGE,
    RoundVerdict.DOES_NOT_APPLY: Reason.CONFLICT,
    RoundVerdict.STALE: Reason.CHAMPION_MOVED,
    RoundVerdict.STOPPED: Reason.STOPPED,
    RoundVerdict.HARNESS_ERROR: Reason.OURS,
}


def why_ended(view: RoundView) -> Why | None:
    """The reason of a round that ended without a promotion; None for one that was promoted or is under way."""
    match view.state.verdict:
        case None | RoundVerdict.PROMOTED:
            return None
        case RoundVerdict.NOT_ADMITTED:
            return Why(reason=Reason.RULES, about=_rule(view))
        case RoundVerdict.REJECTED:
            return _rejection(view)
        case RoundVerdict.OUT_OF_BUDGET:
            return Why(reason=Reason.BUDGET, about=_limit(view))
        case RoundVerdict.REFUTED | RoundVerdict.INCONCLUSIVE | RoundVerdict.INVALID as verdict:
            found = deciding_score(view)
            return _of_score(found) if found is not None else Why(reason=_UNSCORED[verdict])
        case verdict if verdict in _OF_VERDICT:
            return Why(reason=_OF_VERDICT[verdict])
        case verdict:
            return Why(reason=_OF_OUTCOME[Outcome(verdict.value)])


_UNSCORED = {
    RoundVerdict.REFUTED: Reason.NO_GAIN,
    RoundVerdict.INCONCLUSIVE: Reason.NOISE,
    RoundVerdict.INVALID: Reason.DISTURBED,
}
"""Of rounds whose score is of a shape that this version does not know."""


def ended_text(view: RoundView) -> str:
    """How a round ended and why, such as "refuted: quality hidden_bpb"; where it is, while it is under way."""
    return f"{view.word.replace('_', ' ')}{reason_after(view)}"


def reason_after(view: RoundView) -> str:
    """The reason as it stands behind the word for the ending, such as ": quality"; empty where that says it all."""
    why = why_ended(view)
    if why is None:
        return ""
    # "crashed" and "out_of_budget" say their reason themselves, and a rule has a name of its own.
    says_itself = why.reason in view.word.replace("_", " ") or why.reason is Reason.RULES
    left = why.about if says_itself else why.text
    return f": {left}" if left else ""


def deciding_score(view: RoundView) -> Score | None:
    """The score that the round ended with, or that lies at the gate; None when nothing was scored."""
    return view.confirm or view.score


def broken_quality(score: Score) -> QualityResult | None:
    """The quality that refuted or left open; None when none did."""
    missed = [each for each in score.quality if not each.is_kept]
    named = [each for each in missed if score.reason == f"{QUALITY_SAID}{each.reason}"]
    return next(iter(named or missed), None) if cause_of(score) is Cause.QUALITY else None


def broken_guard(score: Score) -> GuardResult | None:
    """The guard that refuted; None when none did."""
    missed = (each for each in score.guards if not each.is_kept)
    return next(missed, None) if cause_of(score) is Cause.GUARD else None


def worst_outcome(score: Score) -> tuple[Outcome, int] | None:
    """How the candidate's runs failed, at worst, and in how many; None when none did."""
    found = ((each, score.outcomes.get(each.value, 0)) for each in _OF_OUTCOME)
    return next(((outcome, count) for outcome, count in found if count), None)


def _of_score(score: Score) -> Why:
    match cause_of(score):
        case Cause.QUALITY:
            quality = broken_quality(score)
            return Why(reason=Reason.QUALITY, about="" if quality is None else quality.name)
        case Cause.GUARD:
            guard = broken_guard(score)
            return Why(reason=Reason.GUARD, about="" if guard is None else guard.name)
        case Cause.RUNS:
            worst = worst_outcome(score)
            return Why(reason=Reason.DISTURBED if worst is None else _OF_OUTCOME[worst[0]])
        case Cause.EFFECT:
            effect = score.effect
            if effect is not None and effect.high < 1:
                return Why(reason=Reason.WORSE)
            is_open = score.verdict is Verdict.INCONCLUSIVE
            return Why(reason=Reason.NOISE if is_open else Reason.NO_GAIN)


def _rule(view: RoundView) -> str:
    """The rule that did not admit it."""
    admitted = view.left(Admitted)
    findings = () if admitted is None else admitted.findings
    return next((each.rule for each in findings if each.severity is Severity.BLOCK), "")


def _rejection(view: RoundView) -> Why:
    if view.state.ended_at is Step.REVIEW:
        blocking = [each for each in view.findings if each.severity is Severity.BLOCK]
        rule = next((each.rule for each in blocking if each.source == RULES_SOURCE), "")
        return Why(reason=Reason.RULES if rule else Reason.REVIEWER, about=rule)
    kind, _, name = (view.decided_by or "").partition(":")
    is_person = kind == "person"
    return Why(
        reason=Reason.PERSON if is_person else Reason.POLICY, about=name if is_person else ""
    )


def _limit(view: RoundView) -> str:
    """The limit that ended it."""
    facts = (each.fact for each in reversed(tuple(view.latest.steps.values())))
    refused = (each.refused for each in facts if isinstance(each, Halted | Proposed))
    return next((each.limit for each in refused if each is not None), "")
