"""Quill's dialects: the choices that a language has to make, drawn at random so that no existing compiler knows them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

GROUPS = (("*", "/", "%"), ("+", "-"), ("&", "^", "|"), ("<", "<=", ">", ">="), ("==", "!="))
"""Binary operators of one binding strength; a dialect orders the groups."""
LOGIC = (("and",), ("or",))
"""They bind loosest, in an order of the dialect's."""
WIDTHS = (8, 12, 16, 24, 32)
DIVISIONS = ("truncate", "floor", "euclid")
ORDERS = ("left", "right")
TRUTHS = ("nonzero", "positive", "nonnegative")
CAPTURES = ("value", "reference")
MATCHES = ("first", "last")
LOGICS = ("short", "full")
PRAGMAS: Mapping[str, tuple[object, ...]] = {
    "index": (0, 1),
    "truth": TRUTHS,
    "division": DIVISIONS,
    "order": ORDERS,
}
"""Choices that a program may make otherwise in its first lines, such as `#index 1`."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One language of the family."""

    precedence: tuple[tuple[str, ...], ...]
    """Groups of binary operators, loosest first."""
    right_associative: tuple[bool, ...]
    """For each of these groups."""
    bits: int
    """Whole numbers wrap to so many bits, two's complement."""
    division: str
    order: str
    """In which order operands, arguments, elements and the parts of an assignment are evaluated."""
    truth: str
    capture: str
    match: str
    """Which of several arms that fit is taken."""
    logic: str
    """Whether `and` and `or` leave out an operand that decides nothing."""
    index: int
    """Index of a list's first element."""
    zero_code: int
    index_code: int
    match_code: int

    @property
    def true(self) -> int:
        """What a comparison gives when it holds."""
        return 0 if self.truth == "nonnegative" else 1

    @property
    def false(self) -> int:
        """What a comparison gives when it does not."""
        return -1 if self.truth == "nonnegative" else 0

    def is_true(self, value: int) -> bool:
        """Whether a number counts as true."""
        if self.truth == "nonzero":
            return value != 0
        return value > 0 if self.truth == "positive" else value >= 0

    def wrap(self, value: int) -> int:
        """A number as so many bits hold it."""
        half = 1 << (self.bits - 1)
        return (value + half) % (2 * half) - half

    def strength(self, operator: str) -> int:
        """Position of an operator's group, loosest 0."""
        return next(at for at, group in enumerate(self.precedence) if operator in group)

    def with_pragmas(self, pragmas: Mapping[str, object]) -> "Dialect":
        """The dialect of a program that says these in its first lines."""
        return replace(self, **pragmas) if pragmas else self


def draw_dialect(rng: random.Random) -> Dialect:
    """A dialect; never the order of precedence that everybody knows."""
    groups = list(GROUPS)
    while tuple(groups) in (GROUPS, GROUPS[::-1]):
        rng.shuffle(groups)
    logic = rng.sample(LOGIC, len(LOGIC))
    codes = rng.sample(range(2, 100), 3)
    return Dialect(
        precedence=(*logic, *groups),
        right_associative=(False, False, *(rng.random() < 0.5 for _ in groups)),
        bits=rng.choice(WIDTHS),
        division=rng.choice(DIVISIONS),
        order=rng.choice(ORDERS),
        truth=rng.choice(TRUTHS),
        capture=rng.choice(CAPTURES),
        match=rng.choice(MATCHES),
        logic=rng.choice(LOGICS),
        index=rng.choice((0, 1)),
        zero_code=codes[0],
        index_code=codes[1],
        match_code=codes[2],
    )
