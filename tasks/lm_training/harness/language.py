"""A small artificial language, drawn from a seed: its letters, words, endings and word order.

Two seeds share the statistics (how many words, how often, how long) but no spelling, so weights or
word lists that were learned on one language are worthless on another, while the difficulty stays.
"""

from dataclasses import dataclass
from operator import eq

import numpy as np
import numpy.typing as npt
from harness_kit import Request, pcg64

CLASSES = 3
"""Grammatical classes of nouns; determiners, adjectives and verbs agree with the class."""
TOPICS = 8
"""Subjects that a document can be about; each prefers its own words."""
SYLLABLES = 64
"""Consonant-vowel pairs that personal names are built from."""
TOPIC_SHARE = 0.65
"""Share of content words drawn from the topic's own eighth of the lexicon."""
ZIPF_EXPONENT = 1.0
"""Frequency of the word of rank r is proportional to 1 / (r + ZIPF_SHIFT) ** ZIPF_EXPONENT."""
ZIPF_SHIFT = 2.7
SCRIPT_VOWELS, SCRIPT_CONSONANTS = 3, 3
"""Letters of a language that is written in scripts: so few that a document shows all of them in a line or two."""
SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""What the scripts draw from."""
FUNCTION_WORDS = (
    *("the_0", "the_1", "the_2"),
    *("that_0", "that_1", "that_2"),
    *("which", "and", "at", "to", "said"),
    *(f"title_{topic}" for topic in range(TOPICS)),
)
"""Roles of the short words; every language spells them differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words of one part of speech."""

    stems: tuple[bytes, ...]
    probability: npt.NDArray[np.float64]
    """P(word | topic), shape (TOPICS, words); rows sum to 1."""
    cumulative: npt.NDArray[np.float64]
    """Row-wise running sum of `probability` with the row number added, flat: one sorted table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Everything that a seed decides once; documents are drawn from it."""

    nouns: Vocabulary
    verbs: Vocabulary
    adjectives: Vocabulary
    noun_class: npt.NDArray[np.int64]
    """Class of each noun, shape (nouns,); must be learned word by word, no spelling shows it."""
    verb_endings: tuple[bytes, ...]
    adjective_endings: tuple[bytes, ...]
    function_words: dict[str, bytes]
    syllables: tuple[bytes, ...]
    letters: bytes
    """All that words are spelled with, the large ones at the beginning of names too."""
    has_scripts: bool
    """Whether every document writes the letters with signs of its own."""
    order: tuple[int, int, int]
    """Word order as positions of subject, verb and object."""
    is_adjective_first: bool


def language_of(request: Request, seed: bytes) -> Language:
    """The language that a seed draws in the request's profile."""
    return make_language(
        pcg64(seed, "language"),
        nouns=request.integer("nouns"),
        verbs=request.integer("verbs"),
        adjectives=request.integer("adjectives"),
        has_scripts=request.settings["has_scripts"] is True,
    )


def make_language(
    rng: np.random.Generator,
    *,
    nouns: int,
    verbs: int,
    adjectives: int,
    has_scripts: bool = False,
) -> Language:
    """Draw one language.

    Args:
        rng: Source of every choice; the same state gives the same language.
        nouns: Number of nouns; must be a multiple of TOPICS, as the next two.
        verbs: Number of verb stems.
        adjectives: Number of adjective stems.
        has_scripts: Whether every document has a script of its own; the language then has few letters.
    """
    spell = _Speller(rng, is_small=has_scripts)
    function_words = {
        role: spell.word(5 if role.startswith("title") else 3) for role in FUNCTION_WORDS
    }
    noun_class = np.empty(nouns, dtype=np.int64)
    for start in range(0, nouns, CLASSES):  # every frequency band holds every class equally
        band = min(CLASSES, nouns - start)
        noun_class[start : start + band] = rng.permutation(CLASSES)[:band]
    return Language(
        nouns=_vocabulary(rng, spell, nouns, shortest=4),
        verbs=_vocabulary(rng, spell, verbs, shortest=3),
        adjectives=_vocabulary(rng, spell, adjectives, shortest=4),
        noun_class=noun_class,
        verb_endings=spell.endings(),
        adjective_endings=spell.endings(),
        function_words=function_words,
        syllables=spell.syllables(),
        letters=spell.letters,
        has_scripts=has_scripts,
        order=((0, 1, 2), (0, 2, 1), (1, 0, 2))[int(rng.integers(3))],
        is_adjective_first=bool(rng.integers(2)),
    )


class _Speller:
    """Makes distinct pronounceable words from this language's own letter frequencies."""

    def __init__(self, rng: np.random.Generator, *, is_small: bool) -> None:
        letters = rng.permutation(np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", dtype=np.uint8))
        vowels, consonants = (SCRIPT_VOWELS, SCRIPT_CONSONANTS) if is_small else (6, 20)
        self.letters = letters[: vowels + consonants].tobytes()
        self._is_small = is_small
        self._rng = rng
        self._vowels = letters[:vowels]
        self._consonants = letters[vowels : vowels + consonants]
        self._used: set[bytes] = set()

    def word(self, length: int) -> bytes:
        """A word of exactly `length` letters that this language does not have yet."""
        while True:
            vowels = self._pick(self._vowels, length)
            consonants = self._pick(self._consonants, length)
            phase = int(self._rng.integers(2))
            alternating = (np.arange(length) + phase) % 2 == 0
            spelled = np.where(alternating, vowels, consonants).astype(np.uint8).tobytes()
            if self._is_small and any(map(eq, spelled, spelled[2:])):
                continue
            if spelled not in self._used:
                self._used.add(spelled)
                return spelled

    def endings(self) -> tuple[bytes, ...]:
        """One two-letter ending per class, different in both letters."""
        first = self._rng.permutation(self._vowels)[:CLASSES]
        second = self._rng.permutation(self._consonants)[:CLASSES]
        return tuple(bytes((int(a), int(b))) for a, b in zip(first, second, strict=True))

    def syllables(self) -> tuple[bytes, ...]:
        """SYLLABLES distinct consonant-vowel pairs, or all that there are."""
        pairs = [bytes((int(c), int(v))) for c in self._consonants for v in self._vowels]
        chosen = self._rng.permutation(len(pairs))[:SYLLABLES]
        return tuple(pairs[int(index)] for index in chosen)

    def _pick(self, letters: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
        weight = 1.0 / (np.arange(len(letters)) + 2.0)
        cumulative = np.cumsum(weight / weight.sum())
        return letters[
            np.minimum(np.searchsorted(cumulative, self._rng.random(count)), len(letters) - 1)
        ]


def _vocabulary(
    rng: np.random.Generator, spell: _Speller, size: int, *, shortest: int
) -> Vocabulary:
    rank = np.arange(size)
    # The length depends on the rank alone, so that bytes per word are the same in every language.
    stems = tuple(spell.word(shortest + int(np.log2(1 + r / 24)) + (r * 7) % 3) for r in rank)
    base = 1.0 / (rank + ZIPF_SHIFT) ** ZIPF_EXPONENT
    base /= base.sum()
    probability = np.empty((TOPICS, size))
    home = rank % TOPICS  # each topic owns every eighth word: the same mass for all, up to rank
    home = (home + np.repeat(rng.integers(TOPICS, size=size // TOPICS), TOPICS)) % TOPICS
    for topic in range(TOPICS):
        own = np.where(home == topic, base, 0.0)
        probability[topic] = (1 - TOPIC_SHARE) * base + TOPIC_SHARE * own / own.sum()
    cumulative = np.cumsum(probability, axis=1)
    cumulative /= cumulative[:, -1:]
    return Vocabulary(
        stems=stems,
        probability=probability,
        cumulative=(cumulative + np.arange(TOPICS)[:, None]).ravel(),
    )
