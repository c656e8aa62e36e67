"""How far numbers are from the truth, and what rounding does to them; needs numpy in the environment.

Invariant: a size of nearly nothing divides nothing, so that a truth that is zero but for rounding is compared as it is.
"""

# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .artifacts import InvalidArtifact

Array = np.ndarray
SILENT = 1e-6
"""Truths smaller than this are zero but for rounding."""


def relative_error(found: Array, true: Array) -> float:
    """L2 norm of the error over that of the truth."""
    return _share(float(np.linalg.norm(found - true)), float(np.linalg.norm(true)))


def largest_error(found: Array, true: Array) -> float:
    """Largest error over the largest value."""
    return _share(float(np.abs(found - true).max()), float(np.abs(true).max()))


def finite(values: Array) -> Array:
    """Values that a candidate answered, in double precision.

    Raises:
        InvalidArtifact: Some are not numbers.
    """
    count = int((~np.isfinite(values)).sum())
    if count:
        raise InvalidArtifact(f"{count} of {values.size} outputs are not numbers")
    return values.astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How the outputs of one call compare with the truth."""

    wrong: int
    """1 when a whole number of them is not the right one."""
    relative: float
    """Of the worst output: L2 norm of the error over that of the truth."""
    largest: float
    """Of the worst output: largest error over the largest value."""


def compared(given: Sequence[Array], truth: Sequence[Array]) -> Compared:
    """Compare outputs of 32 bits; what is given may be longer, where whole numbers say how much of them counts.

    Raises:
        InvalidArtifact: Some are not numbers.
    """
    wrong, relative, largest = 0, 0.0, 0.0
    for answer, true in zip(given, truth, strict=True):
        if true.dtype == np.int32:
            same = np.array_equal(answer.view(np.int32)[: true.size], true.reshape(-1))
            wrong = max(wrong, int(not same))
            continue
        values, right = finite(answer.view(np.float32)), true.reshape(-1)
        relative = max(relative, relative_error(values, right))
        largest = max(largest, largest_error(values, right))
    return Compared(wrong=wrong, relative=relative, largest=largest)


def cut_short(values: Array, *, dropped_bits: int) -> Array:
    """Single precision without the last bits of its significand; without 16 it is bfloat16."""
    kept = np.uint32(0xFFFFFFFF << dropped_bits & 0xFFFFFFFF)
    return (np.asarray(values).astype(np.float32).view(np.uint32) & kept).view(np.float32)


def _share(error: float, size: float) -> float:
    return error / size if size > SILENT else error
