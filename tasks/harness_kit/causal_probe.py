"""Does a sequence model look into the future? A black-box probe by spliced suffixes, NumPy only.

A causal model's predictions for a prefix cannot depend on what follows it, so the suffix is replaced and the
prefix's predictions are compared. Does not: look inside the model; or belong to what `harness_kit` loads by itself,
because it needs numpy and not every harness has it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
LogProbabilities = NDArray[np.float64]
Predict = Callable[[Tokens], LogProbabilities]
"""Tokens of shape (batch, time) to log probabilities of shape (batch, time, vocabulary); position t predicts
the token at t + 1 and may use tokens 0..t."""

TOLERANCE_NATS = 1e-3
"""Change of a log probability that arithmetic may cause; a leak smaller than this cannot pay."""
NORMALISATION_TOLERANCE = 1e-3
FIXED_PREFIXES = (1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128)
"""Just before, at and after the block sizes that people use."""
RANDOM_PREFIXES = 8
"""Further prefix lengths drawn from the seed, so that a model cannot know where it is probed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One place where a prediction changed although its prefix did not."""

    prefix: int
    """Tokens that stayed the same."""
    position: int
    """First position before the splice whose prediction changed most."""
    change_nats: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What the probe saw."""

    leaks: tuple[Leak, ...]
    """One for each prefix length that leaked, shortest first."""
    is_repeatable: bool
    """The same tokens gave the same predictions after other tokens had been seen."""
    is_batch_independent: bool
    """A row's predictions did not depend on the other rows."""
    is_normalised: bool
    """Finite everywhere, and the probabilities of every position sum to one."""

    @property
    def is_causal(self) -> bool:
        return not self.leaks

    @property
    def is_clean(self) -> bool:
        """Whether the loss computed from these predictions means what it says."""
        return (
            self.is_causal
            and self.is_repeatable
            and self.is_batch_independent
            and self.is_normalised
        )


def probe_causality(
    predict: Predict,
    texts: Tokens,
    *,
    vocabulary: int,
    seed: int,
    tolerance_nats: float = TOLERANCE_NATS,
) -> ProbeReport:
    """Probe one model.

    Args:
        predict: The model as a black box; called with the shape of `texts` every time.
        texts: Sequences of the kind it was trained on, shape (batch, time), batch >= 2, time >= 4.
        vocabulary: Number of tokens.
        seed: Draws prefix lengths and suffixes; keep it from the candidate.
        tolerance_nats: Largest change of a log probability that is put down to arithmetic.

    Raises:
        ValueError: Too few sequences or too short ones, or `predict` returned another shape.
    """
    if texts.ndim != 2 or texts.shape[0] < 2 or texts.shape[1] < 4:
        raise ValueError(f"texts need at least 2 rows of 4 tokens, got shape {texts.shape}")
    rng = np.random.default_rng(seed)
    time = texts.shape[1]
    original = _checked(predict, texts, vocabulary)
    leaks = []
    for prefix in _prefixes(time, rng):
        worst: Leak | None = None
        for suffix in _suffixes(texts, prefix, vocabulary, rng):
            spliced = np.concatenate([texts[:, :prefix], suffix], axis=1)
            change = _change(original, _checked(predict, spliced, vocabulary))[:, :prefix]
            by_position = change.max(axis=0)
            position = int(by_position.argmax())
            found = float(by_position[position])
            if found > tolerance_nats and (worst is None or found > worst.change_nats):
                worst = Leak(prefix=prefix, position=position, change_nats=found)
        if worst is not None:
            leaks.append(worst)
    return ProbeReport(
        leaks=tuple(leaks),
        is_repeatable=_is_repeatable(predict, texts, original, vocabulary, tolerance_nats),
        is_batch_independent=_is_batch_independent(
            predict, texts, original, vocabulary, rng, tolerance_nats
        ),
        is_normalised=is_normalised(original),
    )


def is_normalised(log_probabilities: LogProbabilities) -> bool:
    """Whether every position holds a probability distribution: no NaN, no overflow, sum one."""
    values = np.asarray(log_probabilities, dtype=np.float64)
    if np.isnan(values).any() or (values > NORMALISATION_TOLERANCE).any():
        return False
    totals = np.exp(values).sum(axis=-1)
    return bool(np.all(np.abs(totals - 1.0) <= NORMALISATION_TOLERANCE))


def _prefixes(time: int, rng: np.random.Generator) -> tuple[int, ...]:
    fixed = [length for length in FIXED_PREFIXES if length < time]
    drawn = rng.integers(1, time, size=RANDOM_PREFIXES)
    return tuple(sorted({*fixed, time - 1, *(int(length) for length in drawn)}))


def _suffixes(
    texts: Tokens, prefix: int, vocabulary: int, rng: np.random.Generator
) -> Sequence[Tokens]:
    """Other endings: another row's, random tokens, one token over and over, and the next token changed alone."""
    ending = texts[:, prefix:]
    swapped = np.roll(ending, 1, axis=0)
    noise = rng.integers(0, vocabulary, size=ending.shape)
    constant = np.full_like(ending, int(rng.integers(0, vocabulary)))
    nudged = ending.copy()
    nudged[:, 0] = (nudged[:, 0] + 1 + int(rng.integers(0, max(1, vocabulary - 1)))) % vocabulary
    return (swapped, noise, constant, nudged)


def _is_repeatable(
    predict: Predict, texts: Tokens, original: LogProbabilities, vocabulary: int, tolerance: float
) -> bool:
    again = _checked(predict, texts, vocabulary)
    return bool(_change(original, again).max() <= tolerance)


def _is_batch_independent(
    predict: Predict,
    texts: Tokens,
    original: LogProbabilities,
    vocabulary: int,
    rng: np.random.Generator,
    tolerance: float,
) -> bool:
    others = texts.copy()
    others[1:] = rng.integers(0, vocabulary, size=others[1:].shape)
    first = _checked(predict, others, vocabulary)[:1]
    return bool(_change(original[:1], first).max() <= tolerance)


def _change(before: LogProbabilities, after: LogProbabilities) -> NDArray[np.float64]:
    """Largest change over the vocabulary, shape (batch, time); a NaN on either side is an endless change."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(before - after)
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    difference = np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))
    return np.asarray(difference.max(axis=-1), dtype=np.float64)


def _checked(predict: Predict, tokens: Tokens, vocabulary: int) -> LogProbabilities:
    found = np.asarray(predict(tokens.copy()), dtype=np.float64)
    wanted = (*tokens.shape, vocabulary)
    if found.shape != wanted:
        raise ValueError(f"predictions have shape {found.shape}, expected {wanted}")
    return found
