"""How far numbers are from the truth, and what rounding does to them; needs numpy in the environment.

Invariant: a size of nearly nothing divides nothing, so that a truth that is zero but for rounding is compared as it is.
"""

import numpy as np

Array = np.ndarray
SILENT = 1e-6
"""Truths smaller than this are zero but for rounding."""


def relative_error(found: Array, true: Array) -> float:
    """L2 norm of the error over that of the truth."""
    return _share(float(np.linalg.norm(found - true)), float(np.linalg.norm(true)))


def largest_error(found: Array, true: Array) -> float:
    """Largest error over the largest value."""
    return _share(float(np.abs(found - true).max()), float(np.abs(true).max()))


def cut_short(values: Array, *, dropped_bits: int) -> Array:
    """Single precision without the last bits of its significand; without 16 it is bfloat16."""
    kept = np.uint32(0xFFFFFFFF << dropped_bits & 0xFFFFFFFF)
    return (np.asarray(values).astype(np.float32).view(np.uint32) & kept).view(np.float32)


def _share(error: float, size: float) -> float:
    return error / size if size > SILENT else error
