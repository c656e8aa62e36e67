"""The lab notebook: what rounds taught, found again when it matters. Pure functions over round reports.

Negatives are kept and shown like positives. Invariant: nothing here decides; a near-duplicate is pointed out,
not forbidden.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsi.agent.memory.similarity import WordIndex, diff_similarity
from rsi.agent.store.state import RoundVerdict
from rsi.agent.store.steps.values import Accuracy, RoundReport
from rsi.evals.types import Interval

HIT_LOG_TOLERANCE = 0.10
"""A prediction within ten percent of the measured ratio is a hit even outside a narrow interval."""
DUPLICATE_DIFF = 0.6
"""Share of changed lines in common from which two diffs count as one idea."""
DUPLICATE_WORDS = 0.75
"""Cosine of two hypotheses from which they count as one idea."""
RELATED_WORDS = 0.12
SHORT_CHARS = 240
ROLLED_BACK = "rolled_back"
"""Outcome of a round whose promotion was undone later; its stored report still says "promoted"."""
SETTLED = frozenset(
    {
        RoundVerdict.REFUTED, RoundVerdict.NOT_ADMITTED, RoundVerdict.CRASHED, RoundVerdict.INVALID_OUTPUT,
        RoundVerdict.TAMPERED, RoundVerdict.REJECTED,
    }
)  # fmt: skip
"""Endings that say something about the idea itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """An earlier round that tried nearly the same."""

    report: RoundReport
    words: float
    """Cosine of the hypotheses, 0 to 1."""
    lines: float
    """Share of changed lines in common, 0 to 1."""

    @property
    def text(self) -> str:
        """One line for the critic, the proposer and the screen."""
        return (
            f"{self.report.round_id} tried nearly this ({self.words:.0%} of words, {self.lines:.0%} "
            f"of lines alike) and ended {self.report.outcome}: {short(self.report.why)}"
        )

    @property
    def is_settled(self) -> bool:
        """Whether it changed nearly the same lines, and evidence spoke against it; what broke off may be tried again."""
        return self.lines >= DUPLICATE_DIFF and self.report.outcome in SETTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracySummary:
    """How well effects were predicted."""

    counts: Mapping[Accuracy, int]
    mean_log_miss: float | None
    """Mean of log(predicted / measured): above 0 is too hopeful; None when nothing was measured."""

    @property
    def text(self) -> str:
        """One line."""
        known = sum(n for accuracy, n in self.counts.items() if accuracy is not Accuracy.UNKNOWN)
        if known == 0 or self.mean_log_miss is None:
            return "no prediction was measured yet"
        hits, over, under = (
            self.counts.get(each, 0)
            for each in (Accuracy.HIT, Accuracy.OVERSHOOT, Accuracy.UNDERSHOOT)
        )
        bias = math.exp(self.mean_log_miss)
        return (
            f"of {known} predictions {hits} hit, {over} promised too much, {under} too little; "
            f"predictions are {bias:.2f}x what was measured on average"
        )


def accuracy_of(predicted: float | None, effect: Interval | None) -> Accuracy:
    """How a prediction compares with the measured effect."""
    if predicted is None or effect is None or predicted <= 0 or effect.estimate <= 0:
        return Accuracy.UNKNOWN
    miss = math.log(predicted / effect.estimate)
    if effect.low <= predicted <= effect.high or abs(miss) <= HIT_LOG_TOLERANCE:
        return Accuracy.HIT
    return Accuracy.OVERSHOOT if miss > 0 else Accuracy.UNDERSHOOT


def lesson_of(outcome: str, predicted: float | None, effect: Interval | None, why: str) -> str:
    """The lesson of a round in one or two sentences: what came of it, against what was promised."""
    parts = [f"{outcome}."]
    if effect is not None:
        parts.append(
            f"Measured {effect.text} over {effect.pairs} pairs"
            + (f", predicted {predicted:.2f}x." if predicted is not None else ".")
        )
    if why:
        parts.append(why if why.endswith(".") else why + ".")
    return " ".join(parts)


def accuracy_summary(reports: Sequence[RoundReport]) -> AccuracySummary:
    """How well past effects were predicted."""
    misses = [
        math.log(report.predicted_ratio / report.effect.estimate)
        for report in reports
        if report.predicted_ratio and report.effect is not None and report.effect.estimate > 0
    ]
    return AccuracySummary(
        counts=Counter(report.accuracy for report in reports),
        mean_log_miss=math.fsum(misses) / len(misses) if misses else None,
    )


def recent(reports: Sequence[RoundReport], count: int) -> tuple[RoundReport, ...]:
    """The latest rounds, newest first."""
    return tuple(reversed(reports[-count:])) if count > 0 else ()


def best(reports: Sequence[RoundReport], count: int) -> tuple[RoundReport, ...]:
    """The rounds with the largest gains beyond noise that were not rolled back, promoted ones first."""
    measured = [
        report
        for report in reports
        if report.effect is not None and report.effect.low > 1 and report.outcome != ROLLED_BACK
    ]
    order = sorted(
        measured,
        key=lambda report: (
            not report.is_promoted,
            -(report.effect.estimate if report.effect is not None else 0.0),
        ),
    )
    return tuple(order[:count])


def related(reports: Sequence[RoundReport], about: str, count: int) -> tuple[RoundReport, ...]:
    """The rounds whose words are most like a text, most alike first."""
    if not reports:
        return ()
    scores = WordIndex([_words(report) for report in reports]).scores(about)
    ranked = sorted(zip(scores, range(len(reports)), strict=True), key=lambda p: (-p[0], -p[1]))
    return tuple(reports[i] for score, i in ranked[:count] if score >= RELATED_WORDS)


def duplicates(
    reports: Sequence[RoundReport], *, hypothesis: str, diff: str, count: int = 3
) -> tuple[Duplicate, ...]:
    """Earlier rounds that failed with nearly the same idea, most alike first.

    Args:
        reports: Past rounds; promoted ones are not failures and are left out.
        hypothesis: The new idea in words.
        diff: The new idea as a diff; empty when it is not written yet.
        count: Most to return.
    """
    failed = [report for report in reports if not report.is_promoted and report.hypothesis]
    if not failed:
        return ()
    index = WordIndex([report.hypothesis for report in failed])
    found = [
        Duplicate(
            report=report,
            words=score,
            lines=diff_similarity(diff, report.diff) if diff and report.diff else 0.0,
        )
        for report, score in zip(failed, index.scores(hypothesis), strict=True)
    ]
    alike = [
        each for each in found if each.lines >= DUPLICATE_DIFF or each.words >= DUPLICATE_WORDS
    ]
    return tuple(sorted(alike, key=lambda each: -max(each.words, each.lines))[:count])


def for_brief(
    reports: Sequence[RoundReport],
    *,
    about: str,
    longest_chars: int = 6000,
    apart_from: Sequence[RoundReport] = (),
) -> str:
    """What the next proposer reads: best, recent and related rounds, each once, cut to size.

    Args:
        reports: Past rounds, oldest first.
        about: What the next round is about.
        longest_chars: Where it is cut.
        apart_from: Rounds that are shown elsewhere.
    """
    if not reports:
        return ""
    sections = (
        ("What worked best", best(reports, 4)),
        ("Most recent", recent(reports, 6)),
        ("Related to this task", related(reports, about, 4)),
    )
    shown = {report.round_id for report in apart_from}
    lines = [f"Predictions so far: {accuracy_summary(reports).text}."]
    for title, chosen in sections:
        fresh = [report for report in chosen if report.round_id not in shown]
        if fresh:
            lines.append(f"{title}:")
            lines += [entry(report) for report in fresh]
            shown |= {report.round_id for report in fresh}
    text = "\n".join(lines)
    return text if len(text) <= longest_chars else text[:longest_chars] + "\n[cut]"


def search(reports: Sequence[RoundReport], query: str, *, count: int = 6) -> str:
    """The notebook tool's answer: the rounds most like a query, at length."""
    found = related(reports, query, count)
    if not found:
        return f"Nothing in {len(reports)} rounds is about {query!r}."
    return "\n\n".join(
        f"{_headline(report)}\n  changed: {report.changed}\n  why: {report.why}" for report in found
    )


def entry(report: RoundReport) -> str:
    """One round in one line."""
    return f"{_headline(report)} {short(report.why)}".rstrip()


def _headline(report: RoundReport) -> str:
    predicted = "-" if report.predicted_ratio is None else f"{report.predicted_ratio:.2f}x"
    measured = "nothing" if report.effect is None else report.effect.text
    return (
        f"- round {report.round_number} {report.outcome}: {short(report.hypothesis)} "
        f"(predicted {predicted}, measured {measured}, {report.accuracy.value})"
    )


def short(text: str) -> str:
    """A text on one line, cut at `SHORT_CHARS`."""
    flat = " ".join(text.split())
    return flat if len(flat) <= SHORT_CHARS else flat[: SHORT_CHARS - 3] + "..."


def _words(report: RoundReport) -> str:
    return (
        f"{report.hypothesis}\n{report.hypothesis}\n{report.changed}\n{report.why}\n{report.lesson}"
    )
