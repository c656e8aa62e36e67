"""How alike two ideas are: words by TF-IDF, diffs by the lines they touch. Pure and small; no model is asked."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rsi.tasks.files.diff_reading import read_diff

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]+|\d+(?:\.\d+)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")
_STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "its",
        "more",
        "of",
        "on",
        "or",
        "per",
        "so",
        "than",
        "that",
        "the",
        "their",
        "this",
        "to",
        "use",
        "used",
        "using",
        "was",
        "we",
        "will",
        "with",
        "which",
    ]
)

Vector = Mapping[str, float]


class WordIndex:
    """TF-IDF vectors of a fixed set of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(words(text)) for text in texts]
        frequency = Counter(word for count in counts for word in count)
        total = len(texts)
        # Smoothed, so that a word in every text still counts a little and an unseen one is finite.
        self._idf = {word: 1.0 + math.log((1 + total) / (1 + n)) for word, n in frequency.items()}
        self._unseen = 1.0 + math.log(1 + total)
        self._vectors = [self._vector(count) for count in counts]

    def scores(self, query: str) -> list[float]:
        """Cosine of each text with a query, 0 to 1, in the order of the texts."""
        wanted = self._vector(Counter(words(query)))
        return [cosine(wanted, vector) for vector in self._vectors]

    def _vector(self, count: Mapping[str, int]) -> Vector:
        return {
            word: (1.0 + math.log(n)) * self._idf.get(word, self._unseen)
            for word, n in count.items()
        }


def words(text: str) -> list[str]:
    """Lower-case stems of the words of a text; identifiers are taken apart."""
    parts = (part for word in _WORD.findall(text) for part in _CAMEL.split(word))
    return [_stem(part.lower()) for part in parts if part and part.lower() not in _STOP_WORDS]


def cosine(one: Vector, other: Vector) -> float:
    """Cosine of two sparse vectors; 0 when either is empty."""
    norm = math.sqrt(math.fsum(v * v for v in one.values())) * math.sqrt(
        math.fsum(v * v for v in other.values())
    )
    if norm == 0.0:
        return 0.0
    return math.fsum(v * other.get(word, 0.0) for word, v in one.items()) / norm


def diff_similarity(one: str, other: str) -> float:
    """Share of changed lines that two diffs have in common, 0 to 1 (Jaccard, whitespace ignored)."""
    lines, others = changed_lines(one), changed_lines(other)
    union = sum((lines | others).values())
    return sum((lines & others).values()) / union if union else 0.0


def changed_lines(diff: str) -> Counter[str]:
    """Added and removed lines of a diff with their sign, squeezed; blank lines and comments are left out."""
    counted: Counter[str] = Counter()
    for file in read_diff(diff).files:
        for line in (line for hunk in file.hunks for line in hunk.lines if line.sign != " "):
            if body := "".join(line.text.split("#")[0].split()):
                counted[line.sign + body] += 1
    return counted


def _stem(word: str) -> str:
    """Crude: plural and -ing/-ed endings go, so that "caching" finds "cached"."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)].rstrip("e")
    return word.rstrip("e") if len(word) > 4 else word
