"""The best static n-gram: how far counting gets without any context beyond a few bytes.

A yardstick for the task's targets, not part of grading. Interpolated smoothing over byte strings packed into
integers, so that a few megabytes take seconds in numpy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Probability = npt.NDArray[np.float64]

MAX_ORDER = 8
"""Context bytes plus one; eight 7-bit bytes fit into 63 bits."""
BITS_PER_BYTE_VALUE = 7
VOCABULARY = 128


TUNING_BYTES = 50_000
"""End of the training text on which a table's smoothing is chosen, at most a tenth of it."""
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)
"""How many times as much as Witten and Bell the shorter context is believed."""
DISCOUNTS = (0.3, 0.6, 0.9)
"""Taken off every count and given to the shorter context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a training text says of each asked byte after its context, one entry for each."""

    count: npt.NDArray[np.int64]
    """Of the context with the byte."""
    total: npt.NDArray[np.int64]
    """Of the context."""
    distinct: npt.NDArray[np.int64]
    """Different bytes after the context."""


def ngram_bits_per_byte(train: bytes, test: bytes, *, max_order: int) -> list[float]:
    """Cross-entropy of `test` for orders 1 to `max_order`, trained on `train`.

    Args:
        train: Text to count.
        test: Text to score, longer than max_order.
        max_order: 1 (no context) to MAX_ORDER.

    Returns:
        Bits per byte by order.

    Source: Witten and Bell, IEEE Trans. Information Theory 37(4), 1991, method C, interpolated.
    """
    probability = np.full(len(test) - max_order + 1, 1.0 / VOCABULARY)
    results = []
    for order in range(1, max_order + 1):
        probability = _believed(_seen(train, test, order, max_order), probability, 1.0)
        results.append(_bits(probability))
    return results


def best_table_bits(train: bytes, test: bytes, *, max_context: int) -> float:
    """Bits per byte of the best table of counts that looks back at most so many bytes.

    For each length of context the smoothing (believing or discounting, and how much) that does best on the end of the
    training text is taken, on top of the shorter ones; then all of the training text is counted.

    Args:
        train: Text to count, and to choose on.
        test: Text to score.
        max_context: Longest context in bytes, 0 to MAX_ORDER - 1.
    """
    cut = len(train) - min(TUNING_BYTES, len(train) // 10)
    fit, tune = train[:cut], train[cut:]
    longest = max_context + 1
    chosen = np.full(len(tune) - longest + 1, 1.0 / VOCABULARY)
    probability = np.full(len(test) - longest + 1, 1.0 / VOCABULARY)
    best = []
    for order in range(1, longest + 1):
        seen = _seen(fit, tune, order, longest)
        tried = [(_bits(_believed(seen, chosen, by)), by, 0.0) for by in STRENGTHS]
        tried += [(_bits(_discounted(seen, chosen, by)), 0.0, by) for by in DISCOUNTS]
        _, strength, discount = min(tried)
        full = _seen(train, test, order, longest)
        if strength:
            chosen = _believed(seen, chosen, strength)
            probability = _believed(full, probability, strength)
        else:
            chosen = _discounted(seen, chosen, discount)
            probability = _discounted(full, probability, discount)
        best.append(_bits(probability))
    return min(best)


def _believed(seen: _Seen, shorter: Probability, strength: float) -> Probability:
    """Counts mixed with the shorter context, which weighs as much as there are different bytes, so many times."""
    weight = strength * seen.distinct
    total = np.maximum(seen.total + weight, 1)
    return np.where(seen.total > 0, (seen.count + weight * shorter) / total, shorter)


def _discounted(seen: _Seen, shorter: Probability, discount: float) -> Probability:
    """Counts less the discount, whose sum the shorter context shares out."""
    total = np.maximum(seen.total, 1)
    kept = np.maximum(seen.count - discount, 0.0) + discount * seen.distinct * shorter
    return np.where(seen.total > 0, kept / total, shorter)


def _bits(probability: Probability) -> float:
    return float(-np.log2(probability).mean())


def _seen(train: bytes, test: bytes, order: int, longest: int) -> _Seen:
    """About the bytes of `test` that have the longest context before them."""
    grams = _packed(train, order)
    asked = _packed(test, order)[longest - order :]
    contexts = asked >> BITS_PER_BYTE_VALUE
    kinds, counts = np.unique(grams, return_counts=True)
    return _Seen(
        count=_looked_up(kinds, counts, asked),
        total=_counts(grams >> BITS_PER_BYTE_VALUE, contexts),
        distinct=_counts(kinds >> BITS_PER_BYTE_VALUE, contexts),
    )


def _packed(text: bytes, order: int) -> npt.NDArray[np.int64]:
    stream = np.frombuffer(text, dtype=np.uint8).astype(np.int64)
    packed = np.zeros(len(stream) - order + 1, dtype=np.int64)
    for offset in range(order):
        packed = (packed << BITS_PER_BYTE_VALUE) | stream[offset : offset + len(packed)]
    return packed


def _counts(
    population: npt.NDArray[np.int64], asked: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """How often each asked value occurs in the population."""
    return _looked_up(*np.unique(population, return_counts=True), asked)


def _looked_up(
    values: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], asked: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The count of each asked value; 0 for those that are not among the values."""
    place = np.minimum(np.searchsorted(values, asked), len(values) - 1)
    return np.where(values[place] == asked, counts[place], 0)
