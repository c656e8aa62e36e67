"""The five kernels as the harness knows them: their sizes, inputs and true answers, in exact or double arithmetic.

Does not: time, or judge. Invariant: inputs follow from a call's words and seed alone, and no answer of a worker is ever truth.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Protocol

import numpy as np
from harness_kit.layers import attention, attention_gradients, cross_entropy, norm, norm_gradients

from harness.language_model import GAP, Model, greedy

Array = np.ndarray
Rng = np.random.Generator
Sizes = Mapping[str, int]
SHINGLE = 3
SPREAD = 16
"""A timed size is drawn within a sixteenth of what the profile says, so that no shape can be known."""
TRIED = 16
"""Prompts that are drawn for one that is used: among many some are decided by little, which arithmetic of 16 bits gets wrong."""
ROOM = 4096
"""Numbers of the found pairs that there is room for at least; the answer is copied on the clock, so there is not more."""
HEADER = 12
"""Tokens that a quarter of the documents begin with."""


class Member(Protocol):
    """One kernel."""

    @property
    def name(self) -> str: ...

    def timed(self, sizes: Sizes, rng: Rng) -> list[int]:
        """The words of the calls that are timed."""
        ...

    def odd(self, rng: Rng) -> list[int]:
        """The words of a call of sizes that fit no tile."""
        ...

    def inputs(self, words: Sequence[int], rng: Rng) -> list[Array]:
        """Fresh values, in the order in which the worker takes them."""
        ...

    def truth(self, words: Sequence[int], inputs: Sequence[Array]) -> list[Array]:
        """What the worker has to answer: whole numbers exactly, others in double precision."""
        ...

    def most(self, words: Sequence[int]) -> list[int]:
        """Most bytes of each input."""
        ...

    def outputs(self, words: Sequence[int]) -> list[int]:
        """Most numbers of each output; all have 32 bits."""
        ...


def near(value: int, rng: Rng) -> int:
    """A size near this one."""
    spread = max(1, value // SPREAD)
    return value + int(rng.integers(-spread, spread + 1))


@dataclass(frozen=True, kw_only=True)
class Product:
    """Products of matrices of 8-bit numbers."""

    name: str = "qmm"

    def timed(self, sizes: Sizes, rng: Rng) -> list[int]:
        return [near(sizes[key], rng) for key in ("rows", "columns", "depth")]

    def odd(self, rng: Rng) -> list[int]:
        return [int(rng.choice((1, 2, 3, 17, 31, 63, 65))) for _ in range(2)] + [
            int(rng.choice((1, 5, 63, 130, 257)))
        ]

    def inputs(self, words: Sequence[int], rng: Rng) -> list[Array]:
        m, n, k = words
        # Now and then nothing but the ends of the range, which overflow 16 bits where pairs are added.
        ends = np.array([-128, 127, -128, -127], np.int8)
        drawn = [
            ends[rng.integers(0, 4, size)]
            if rng.random() < 0.25
            else rng.integers(-128, 128, size, np.int8)
            for size in ((m, k), (k, n))
        ]
        return [np.asarray(each, np.int8) for each in drawn]

    def truth(self, words: Sequence[int], inputs: Sequence[Array]) -> list[Array]:
        left, right = (each.astype(np.float64) for each in inputs)
        return [(left @ right).astype(np.int32)]  # exact: all sums are below 2^53

    def most(self, words: Sequence[int]) -> list[int]:
        m, n, k = words
        return [m * k, k * n]

    def outputs(self, words: Sequence[int]) -> list[int]:
        return [words[0] * words[1]]


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Causal attention and its gradients."""

    name: str = "attn"

    def timed(self, sizes: Sizes, rng: Rng) -> list[int]:
        return [sizes["heads"], near(sizes["length"], rng), near(sizes["size"], rng)]

    def odd(self, rng: Rng) -> list[int]:
        return [
            int(rng.integers(1, 4)),
            int(rng.choice((1, 5, 17, 65, 131))),
            int(rng.choice((4, 12, 20, 33))),
        ]

    def inputs(self, words: Sequence[int], rng: Rng) -> list[Array]:
        drawn = [rng.standard_normal(words).astype(np.float32) for _ in range(4)]
        drawn[0] *= np.float32(rng.choice((0.5, 1.0, 4.0)))  # some softmaxes are nearly one-hot
        return drawn

    def truth(self, words: Sequence[int], inputs: Sequence[Array]) -> list[Array]:
        q, k, v, dout = (each.astype(np.float64) for each in inputs)
        out, shares = attention(q, k, v)
        return [out, *attention_gradients(q, k, v, shares, dout)]

    def most(self, words: Sequence[int]) -> list[int]:
        return [4 * math.prod(words)] * 4

    def outputs(self, words: Sequence[int]) -> list[int]:
        return [math.prod(words)] * 4


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """Layer norm, classifier and cross-entropy with their gradients."""

    name: str = "xent"

    def timed(self, sizes: Sizes, rng: Rng) -> list[int]:
        return [near(sizes[key], rng) for key in ("rows", "width", "vocabulary")]

    def odd(self, rng: Rng) -> list[int]:
        rows = int(rng.choice((1, 2, 15, 33)))
        return [rows, int(rng.choice((12, 20, 33, 72))), int(rng.choice((67, 131, 257)))]

    def inputs(self, words: Sequence[int], rng: Rng) -> list[Array]:
        rows, width, vocabulary = words
        x = rng.standard_normal((rows, width)) + 5 * rng.standard_normal((rows, 1))
        return [
            x.astype(np.float32),
            (1 + 0.1 * rng.standard_normal(width)).astype(np.float32),
            (0.1 * rng.standard_normal(width)).astype(np.float32),
            (rng.choice((0.1, 0.3)) * rng.standard_normal((vocabulary, width))).astype(np.float32),
            rng.integers(0, vocabulary, rows, np.int32),
        ]

    def truth(self, words: Sequence[int], inputs: Sequence[Array]) -> list[Array]:
        x, scale, shift, w = (each.astype(np.float64) for each in inputs[:4])
        normed, saved = norm(x, scale, shift)
        losses, dscores = cross_entropy(normed @ w.T, inputs[4])
        return [losses, *norm_gradients(dscores @ w, saved, scale), dscores.T @ normed]

    def most(self, words: Sequence[int]) -> list[int]:
        rows, width, vocabulary = words
        return [4 * rows * width, 4 * width, 4 * width, 4 * vocabulary * width, 4 * rows]

    def outputs(self, words: Sequence[int]) -> list[int]:
        rows, width, vocabulary = words
        return [rows, rows * width, width, width, vocabulary * width]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Greedy decoding of the prompts whose best two tokens come closest: not so close that two answers are right."""

    name: str = "decode"

    def timed(self, sizes: Sizes, rng: Rng) -> list[int]:
        shape = [sizes[key] for key in ("vocabulary", "width", "layers", "heads")]
        calls = [sizes["batch"], near(sizes["prompt"], rng), near(sizes["count"], rng)]
        return self._words(*shape, *calls)

    def odd(self, rng: Rng) -> list[int]:
        heads = int(rng.choice((1, 2, 3)))
        return self._words(
            int(rng.choice((29, 101, 131))),
            heads * int(rng.choice((4, 8, 12))),
            int(rng.integers(1, 4)),
            heads,
            int(rng.choice((1, 3))),
            int(rng.choice((1, 2, 7))),
            int(rng.choice((1, 5, 11))),
        )

    def _words(
        self, vocabulary: int, width: int, layers: int, heads: int, batch: int, prompt: int, count: int
    ) -> list[int]:  # fmt: skip
        length = prompt + count
        model = Model(vocabulary=vocabulary, length=length, width=width, layers=layers, heads=heads)
        return [vocabulary, length, width, layers, heads, batch, prompt, count, model.weights]

    def inputs(self, words: Sequence[int], rng: Rng) -> list[Array]:
        model, (batch, prompt, count) = Model.of(words), words[5:8]
        weights = model.drawn(rng)
        kept: list[tuple[float, Array]] = []
        while len(kept) < batch:
            tried = rng.integers(0, model.vocabulary, (TRIED * batch, prompt), np.int32)
            _, gaps = greedy(model, weights, tried, count)
            kept += [each for each in zip(gaps, tried, strict=True) if each[0] >= GAP]
        kept.sort(key=lambda each: each[0])
        return [weights, np.stack([row for _, row in kept[:batch]])]

    def truth(self, words: Sequence[int], inputs: Sequence[Array]) -> list[Array]:
        tokens, _ = greedy(Model.of(words), inputs[0], inputs[1], words[7])
        return [tokens.astype(np.int32)]

    def most(self, words: Sequence[int]) -> list[int]:
        return [4 * words[8], 4 * words[5] * words[6]]

    def outputs(self, words: Sequence[int]) -> list[int]:
        return [words[5] * words[7]]


@dataclass(frozen=True, kw_only=True)
class NearDuplicates:
    """Pairs of documents whose sets of shingles have much in common."""

    name: str = "neardup"

    def timed(self, sizes: Sizes, rng: Rng) -> list[int]:
        return [near(sizes["documents"], rng), int(rng.integers(40, 70)), sizes["length"]]

    def odd(self, rng: Rng) -> list[int]:
        documents, length = int(rng.choice((1, 2, 33, 61))), int(rng.choice((2, 9, 30)))
        return [documents, int(rng.choice((1, 50, 100))), length]

    def inputs(self, words: Sequence[int], rng: Rng) -> list[Array]:
        documents, _, length = words
        header = rng.integers(0, 1 << 20, HEADER)
        texts: list[Array] = []
        for _ in range(documents):
            kind = rng.random()
            if texts and kind < 0.25:  # an earlier one again, some of its tokens changed
                text = texts[int(rng.integers(len(texts)))].copy()
                changed = rng.random(text.size) < rng.choice((0.0, 0.03, 0.1, 0.2))
                text[changed] = rng.integers(0, 1 << 20, int(changed.sum()))
            elif kind < 0.28:
                text = rng.integers(0, 1 << 20, int(rng.integers(0, SHINGLE)))
            else:
                fresh = rng.integers(0, 400, int(rng.integers(length // 2, 3 * length // 2 + 1)))
                text = np.concatenate([header, fresh]) if kind < 0.5 else fresh
            texts.append(text)
        starts = np.cumsum([0, *(text.size for text in texts)])
        return [starts.astype(np.int32), np.concatenate(texts).astype(np.int32)]

    def truth(self, words: Sequence[int], inputs: Sequence[Array]) -> list[Array]:
        percent, (starts, tokens) = words[1], (each.tolist() for each in inputs)
        owners: dict[tuple[int, ...], list[int]] = {}
        count = []
        for number, (begin, end) in enumerate(pairwise(starts)):
            own = {tuple(tokens[at : at + SHINGLE]) for at in range(begin, end - SHINGLE + 1)}
            count.append(len(own))
            for each in own:
                owners.setdefault(each, []).append(number)
        common = Counter(pair for shared in owners.values() for pair in combinations(shared, 2))
        pairs = sorted(
            (i, j)
            for (i, j), both in common.items()
            if 100 * both >= percent * (count[i] + count[j] - both)
        )
        return [np.array([len(pairs), *(each for pair in pairs for each in pair)], np.int32)]

    def most(self, words: Sequence[int]) -> list[int]:
        documents, _, length = words
        return [4 * (documents + 1), 4 * documents * (HEADER + 3 * length // 2)]

    def outputs(self, words: Sequence[int]) -> list[int]:
        return [1 + min(words[0] * (words[0] - 1), max(ROOM, 16 * words[0]))]


MEMBERS: tuple[Member, ...] = (
    Product(),
    Attention(),
    CrossEntropy(),
    Decoding(),
    NearDuplicates(),
)
"""In the order of the worker's numbers."""
