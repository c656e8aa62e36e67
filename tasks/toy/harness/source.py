"""The source of the texts: a random first-order chain of letters, one for each seed."""

import itertools
import math
import random

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
CONTRAST = 3
"""Exponent that makes some transitions common and others rare."""

Source = dict[str, dict[str, float]]


def draw_source(rng: random.Random, letters: int) -> Source:
    """Transition probabilities over a random choice of letters."""
    alphabet = sorted(rng.sample(ALPHABET, letters))
    source = {}
    for first in alphabet:
        weights = [rng.expovariate(1.0) ** CONTRAST for _ in alphabet]
        total = sum(weights)
        source[first] = {
            second: weight / total for second, weight in zip(alphabet, weights, strict=True)
        }
    return source


def draw_text(rng: random.Random, source: Source, length: int) -> str:
    """A text of the source that starts with each letter once, so that all of them occur."""
    alphabet = list(source)
    cumulative = {first: list(itertools.accumulate(row.values())) for first, row in source.items()}
    text = rng.sample(alphabet, len(alphabet))
    while len(text) < length:
        text += rng.choices(alphabet, cum_weights=cumulative[text[-1]])
    return "".join(text)


def loss_of_source(source: Source, text: str) -> float:
    """Bits per letter of a text under the source itself: the bound no model beats by much."""
    pairs = list(itertools.pairwise(text))
    bits = [-math.log2(source[first][second]) for first, second in pairs]
    return sum(bits) / len(bits)
