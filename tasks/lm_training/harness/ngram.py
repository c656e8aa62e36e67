"""The best static n-gram: how far counting gets without any context beyond a few bytes.

A yardstick for the task's targets, not part of grading. Interpolated Witten-Bell smoothing over byte
strings packed into integers, so that a few megabytes take seconds in numpy.
"""

import numpy as np
import numpy.typing as npt

MAX_ORDER = 8
"""Context bytes plus one; eight 7-bit bytes fit into 63 bits."""
BITS_PER_BYTE_VALUE = 7
VOCABULARY = 128


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
        grams = _packed(train, order)
        asked = _packed(test, order)[max_order - order :]
        gram_count = _counts(grams, asked)
        contexts, kinds = grams >> BITS_PER_BYTE_VALUE, np.unique(grams) >> BITS_PER_BYTE_VALUE
        seen = _counts(contexts, asked >> BITS_PER_BYTE_VALUE)
        distinct = _counts(kinds, asked >> BITS_PER_BYTE_VALUE)
        total = np.maximum(seen + distinct, 1)
        probability = np.where(seen > 0, (gram_count + distinct * probability) / total, probability)
        results.append(float(-np.log2(probability).mean()))
    return results


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
    values, counts = np.unique(population, return_counts=True)
    place = np.minimum(np.searchsorted(values, asked), len(values) - 1)
    return np.where(values[place] == asked, counts[place], 0)
