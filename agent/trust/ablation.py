"""Each part of something that was accepted, taken out again and measured: does it help, or is it a barnacle?

Parts of a stack are its promotions; parts of a candidate are its files or its hunks. What is compared is always the
whole against the whole without one part, so parts that only work together both show as helping.
Does not: remove anything. Invariant: a part is called a barnacle by an interval, never by an estimate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from rsi.agent.store.git.lineage import Lineage
from rsi.evals.errors import MeasurementError
from rsi.evals.measure.measuring import Comparison
from rsi.evals.types import Interval, Outcome, Score
from rsi.sandboxes.types import FileTree
from rsi.tasks.errors import PatchError
from rsi.tasks.files.diff_reading import parse_diff
from rsi.tasks.files.diffs import Change, FileDiff, render
from rsi.tasks.files.patches import apply_patch, diff_trees

Compare = Callable[[FileTree, FileTree, str], Comparison]
"""Measures (reference, subject, name) with fresh seeds; the ratio is reference over subject."""


class Grain(StrEnum):
    """How finely a candidate is taken apart."""

    FILE = "file"
    HUNK = "hunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part, and the whole without it."""

    name: str
    without: FileTree | None
    """None when the part cannot be taken out alone."""
    problem: str
    """Why `without` is None; empty when it is not."""


class PartVerdict(StrEnum):
    """What a part is worth."""

    HELPS = "helps"
    NEEDED = "needed"
    """Without it the whole does not run, or loses quality."""
    BARNACLE = "barnacle"
    """Surely worth less than the smallest effect that counts."""
    HARMS = "harms"
    UNCLEAR = "unclear"
    """The runs cannot tell."""
    NOT_REMOVABLE = "not removable"
    """Later parts are built on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablated:
    """One part, measured."""

    part: str
    verdict: PartVerdict
    contribution: Interval | None
    """How many times better the whole is with the part; None when that could not be measured."""
    reason: str
    score: Score | None
    """Of the whole without the part against the whole; None when nothing was measured."""


def stack_parts(lineage: Lineage) -> tuple[Part, ...]:
    """Each promotion below the champion, oldest first, with the champion's tree without it."""
    champion = lineage.champion()
    whole = lineage.tree(champion)
    history = [each.commit for each in lineage.history(champion)]
    parts = []
    for commit, parent in reversed(list(pairwise(history))):
        title = lineage.commit(commit).title
        undo = diff_trees(lineage.tree(commit), lineage.tree(parent))
        parts.append(_part(f"{commit[:12]} {title}", whole, undo))
    return tuple(parts)


def candidate_parts(base: FileTree, candidate: FileTree, grain: Grain) -> tuple[Part, ...]:
    """Each file or hunk of a candidate, with the candidate's tree without it."""
    undo = parse_diff(diff_trees(candidate, base))
    pieces = [piece for file in undo for piece in _pieces(file, grain)]
    return tuple(_part(name, candidate, render([piece])) for name, piece in pieces)


def ablate(
    whole: FileTree,
    parts: Sequence[Part],
    compare: Compare,
    minimum_effect: float,
    progress: Callable[[Ablated], None] = lambda _: None,
) -> tuple[Ablated, ...]:
    """Measure the whole against the whole without each part.

    Args:
        whole: The tree with all parts.
        parts: What is taken out, one at a time.
        compare: Measures two trees.
        minimum_effect: What a part must be worth, 0.02 means 2 percent.
        progress: Called with each result.
    """
    results = []
    for number, part in enumerate(parts, start=1):
        result = _ablated(whole, part, compare, minimum_effect, f"without-{number}")
        results.append(result)
        progress(result)
    return tuple(results)


def part_verdict(score: Score, minimum_effect: float) -> tuple[PartVerdict, str, Interval | None]:
    """What a score of "the whole without the part" says about the part."""
    failed = {name: n for name, n in score.outcomes.items() if name != Outcome.OK}
    if failed:
        return PartVerdict.NEEDED, f"without it: {score.reason}", None
    lost = next((rule for rule in score.quality if not rule.is_kept), None)
    effect = None if score.effect is None else _inverse(score.effect)
    if lost is not None and score.verdict.value == "refuted" and score.reason.startswith("quality"):
        return PartVerdict.NEEDED, f"without it: {score.reason}", effect
    if effect is None:
        return PartVerdict.UNCLEAR, score.reason, None
    text = f"worth {effect.estimate:.3f}x [{effect.low:.3f}, {effect.high:.3f}]"
    if effect.low > 1:
        return PartVerdict.HELPS, text, effect
    if effect.high < 1:
        return PartVerdict.HARMS, text, effect
    if effect.high < 1 + minimum_effect:
        return PartVerdict.BARNACLE, f"{text}, less than {1 + minimum_effect:.3f}x", effect
    return PartVerdict.UNCLEAR, f"{text}: too few pairs to tell", effect


def _ablated(
    whole: FileTree, part: Part, compare: Compare, minimum_effect: float, name: str
) -> Ablated:
    if part.without is None:
        return Ablated(
            part=part.name,
            verdict=PartVerdict.NOT_REMOVABLE,
            contribution=None,
            reason=part.problem,
            score=None,
        )
    try:
        score = compare(whole, part.without, name).score
    except MeasurementError as error:
        return Ablated(
            part=part.name,
            verdict=PartVerdict.UNCLEAR,
            contribution=None,
            reason=str(error),
            score=None,
        )
    verdict, reason, contribution = part_verdict(score, minimum_effect)
    return Ablated(
        part=part.name, verdict=verdict, contribution=contribution, reason=reason, score=score
    )


def _part(name: str, whole: FileTree, undo: str) -> Part:
    try:
        without = apply_patch(whole, undo, name=name)
    except PatchError as error:
        return Part(name=name, without=None, problem=str(error))
    if without == whole:
        return Part(name=name, without=None, problem="later parts undid it: nothing to take out")
    return Part(name=name, without=without, problem="")


def _pieces(file: FileDiff, grain: Grain) -> list[tuple[str, FileDiff]]:
    """(name, change) of a file's parts; a file that is added or removed is one part."""
    if grain is Grain.FILE or file.change is not Change.MODIFIED or len(file.hunks) < 2:
        return [(file.path, file)]
    return [
        (f"{file.path} @@ -{hunk.old_start} +{hunk.new_start} @@", replace(file, hunks=(hunk,)))
        for hunk in file.hunks
    ]


def _inverse(effect: Interval) -> Interval:
    return Interval(
        estimate=1 / effect.estimate,
        low=1 / effect.high,
        high=1 / effect.low,
        confidence=effect.confidence,
        pairs=effect.pairs,
    )
