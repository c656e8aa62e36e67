"""Problems with one right answer each, and the flawed people whose texts a weak model has read.

A row of tokens has fixed places, so that no batch needs a mask:

    6 of context     1 mark     9 of problem, right-aligned     "="     6 of answer, ended by "."

Context is what came before: an earlier answer that was found wrong (mark "!"), or as much of it as an interpreter let
pass (mark "?"). A bare row has neither; it starts at its mark ">".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]

SYMBOLS = "_0123456789+=.rsacx>!?"
"""The vocabulary; `_` is nothing."""
PAD, ZERO = 0, 1
CODE = {symbol: number for number, symbol in enumerate(SYMBOLS)}
CONTEXT, PROBLEM, ANSWER = 6, 9, 6
MARK_AT = CONTEXT
ANSWER_AT = CONTEXT + 1 + PROBLEM + 1
LENGTH = ANSWER_AT + ANSWER
BARE_LENGTH = LENGTH - MARK_AT
PROMPT_LENGTH = ANSWER_AT - MARK_AT
"""Tokens of a bare prompt: mark, problem and "="."""

KINDS = ("sum", "reverse", "sort", "running", "copy")
PRACTISED = KINDS[:4]
"""What the model is to become better at."""
OLD_SKILL = KINDS.index("copy")
"""What the model can do from the beginning and must not forget."""
LEVELS = (1, 2, 3, 4)
HARDEST = 4
"""Tested, never handed out for practice."""
_OPERATION = {"reverse": "r", "sort": "s", "running": "a", "copy": "c"}

RIGHT_SHARE = {"sum": 0.42, "reverse": 0.42, "sort": 0.2, "running": 0.2, "copy": 1.0}
"""Of what the weak model read about problems of level 1 was right."""
WORSE_BY_LEVEL = 0.15
"""So much of that share goes with each level."""
CARELESS_SHARE = 0.4
"""Of the wrong answers have one digit changed; the others follow a wrong rule, the same for all."""
RIGHT_AFTER = {"!": 0.75, "?": 0.97}
"""Share of the right ones among answers that came after a verdict, or after what an interpreter let pass."""


@dataclass(frozen=True, kw_only=True)
class Problems:
    """Rows of problems; all arrays have one entry a problem."""

    kind: Tokens
    level: Tokens
    prompt: Tokens
    """Shape (n, PROBLEM)."""
    answer: Tokens
    """Shape (n, ANSWER): the right one, ended by "." and filled up."""

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, chosen: Tokens) -> "Problems":
        return Problems(
            kind=self.kind[chosen],
            level=self.level[chosen],
            prompt=self.prompt[chosen],
            answer=self.answer[chosen],
        )


def joined(parts: Sequence[Problems]) -> Problems:
    """Problems one after the other."""
    return Problems(
        kind=np.concatenate([each.kind for each in parts]),
        level=np.concatenate([each.level for each in parts]),
        prompt=np.concatenate([each.prompt for each in parts]),
        answer=np.concatenate([each.answer for each in parts]),
    )


def draw(rng: np.random.Generator, kinds: Tokens, levels: Tokens) -> Problems:
    """One problem for each pair of kind and level, in that order."""
    n = len(kinds)
    prompt = np.zeros((n, PROBLEM), dtype=np.int64)
    answer = np.zeros((n, ANSWER), dtype=np.int64)
    for kind in np.unique(kinds):
        for level in np.unique(levels):
            rows = np.flatnonzero((kinds == kind) & (levels == level))
            digits = rng.integers(0, 10, (len(rows), n_digits(int(kind), int(level))))
            prompt[rows] = _prompt(int(kind), digits)
            answer[rows] = _ended(_RIGHT[KINDS[kind]](digits))
    return Problems(kind=kinds, level=levels, prompt=prompt, answer=answer)


def n_digits(kind: int, level: int) -> int:
    """Digits that a problem of a level has."""
    return 2 * level if KINDS[kind] == "sum" else level + 1


def parse(prompt: Tokens) -> Problems | None:
    """A problem from its tokens, as a model may have written them; None where they are none."""
    text = "".join(SYMBOLS[token] for token in prompt).lstrip("_")
    if "+" in text:
        left, _, right = text.partition("+")
        kind, digits = "sum", left + right
        is_sound = len(left) == len(right)
        level = len(left)
    else:
        kind = next((name for name, sign in _OPERATION.items() if text[:1] == sign), "")
        digits = text[1:]
        is_sound, level = kind != "", len(digits) - 1
    if not is_sound or level not in LEVELS or not all("0" <= each <= "9" for each in digits):
        return None
    values = np.array([[int(each) for each in digits]])
    number = KINDS.index(kind)
    return Problems(
        kind=np.array([number]),
        level=np.array([level]),
        prompt=_prompt(number, values),
        answer=_ended(_RIGHT[kind](values)),
    )


def demonstrated(rng: np.random.Generator, problems: Problems, right_share: Tokens) -> Tokens:
    """An answer to each, as somebody gave it who is right so often. Shape (n, ANSWER)."""
    found = problems.answer.copy()
    for kind in np.unique(problems.kind):
        for level in np.unique(problems.level):
            rows = np.flatnonzero((problems.kind == kind) & (problems.level == level))
            if len(rows) == 0:
                continue
            chance, careless = rng.random(len(rows)), rng.random(len(rows)) < CARELESS_SHARE
            is_wrong = chance >= right_share[rows]
            n_symbols = n_digits(int(kind), int(level))
            digits = _digits(problems.prompt[rows], int(kind), n_symbols)
            by_rule = _ended(_WRONG[KINDS[kind]](digits))
            slipped = _slipped(rng, problems.answer[rows])
            wrong = np.where(careless[:, None], slipped, by_rule)
            found[rows] = np.where(is_wrong[:, None], wrong, problems.answer[rows])
    return found


def usual_right_share(problems: Problems) -> Tokens:
    """How often those are right whose bare answers a weak model has read."""
    by_kind = np.array([RIGHT_SHARE[name] for name in KINDS])
    worse = np.where(problems.kind == OLD_SKILL, 0.0, WORSE_BY_LEVEL)
    return by_kind[problems.kind] * (1 - worse * (problems.level - 1))


def bare_rows(problems: Problems, answers: Tokens) -> Tokens:
    """Rows without context. Shape (n, BARE_LENGTH)."""
    n = len(problems)
    mark = np.full((n, 1), CODE[">"])
    return np.hstack([mark, problems.prompt, np.full((n, 1), CODE["="]), answers])


def rows_with_context(context: Tokens, mark: str, problems: Problems, answers: Tokens) -> Tokens:
    """Whole rows. Shape (n, LENGTH)."""
    bare = bare_rows(problems, answers)
    bare[:, 0] = CODE[mark]
    return np.hstack([context, bare])


def right_prefix(problems: Problems, answers: Tokens) -> Tokens:
    """What of each answer an interpreter lets pass: all before the first wrong symbol. Shape (n, CONTEXT)."""
    is_right = np.cumprod(answers == problems.answer, axis=1).astype(bool)
    return np.where(is_right, answers, PAD)


def is_well_formed(answers: Tokens) -> NDArray[np.bool_]:
    """Whether an answer is digits, ended."""
    is_digit = (answers >= ZERO) & (answers < ZERO + 10)
    ends = np.argmax(answers == CODE["."], axis=1)
    before = np.arange(ANSWER)[None, :] < ends[:, None]
    return (ends > 0) & np.all(is_digit | ~before, axis=1)


def _prompt(kind: int, digits: Tokens) -> Tokens:
    n, width = digits.shape
    out = np.zeros((n, PROBLEM), dtype=np.int64)
    symbols = digits + ZERO
    if KINDS[kind] == "sum":
        half = width // 2
        plus = np.full((n, 1), CODE["+"])
        row = np.hstack([symbols[:, :half], plus, symbols[:, half:]])
    else:
        row = np.hstack([np.full((n, 1), CODE[_OPERATION[KINDS[kind]]]), symbols])
    out[:, PROBLEM - row.shape[1] :] = row
    return out


def _digits(prompt: Tokens, kind: int, count: int) -> Tokens:
    if KINDS[kind] == "sum":
        half = count // 2
        return np.hstack([prompt[:, -count - 1 : -half - 1], prompt[:, -half:]]) - ZERO
    return prompt[:, -count:] - ZERO


def _ended(digits: Tokens) -> Tokens:
    n, width = digits.shape
    out = np.zeros((n, ANSWER), dtype=np.int64)
    out[:, :width] = digits + ZERO
    out[:, width] = CODE["."]
    return out


def _slipped(rng: np.random.Generator, answers: Tokens) -> Tokens:
    """One digit of each made another one."""
    out = answers.copy()
    lengths = np.argmax(answers == CODE["."], axis=1)
    at = (rng.random(len(answers)) * lengths).astype(np.int64)
    rows = np.arange(len(answers))
    out[rows, at] = (out[rows, at] - ZERO + rng.integers(1, 10, len(answers))) % 10 + ZERO
    return out


def _sum(digits: Tokens) -> Tokens:
    """Digits of the sum, units first: the order in which carries go."""
    half = digits.shape[1] // 2
    left, right = digits[:, :half][:, ::-1], digits[:, half:][:, ::-1]
    out = np.zeros((len(digits), half + 1), dtype=np.int64)
    carry = np.zeros(len(digits), dtype=np.int64)
    for at in range(half):
        total = left[:, at] + right[:, at] + carry
        out[:, at], carry = total % 10, total // 10
    out[:, half] = carry
    return out


def _sum_without_carry(digits: Tokens) -> Tokens:
    half = digits.shape[1] // 2
    left, right = digits[:, :half][:, ::-1], digits[:, half:][:, ::-1]
    return np.hstack([(left + right) % 10, np.zeros((len(digits), 1), dtype=np.int64)])


_RIGHT: dict[str, Callable[[Tokens], Tokens]] = {
    "sum": _sum,
    "reverse": lambda digits: digits[:, ::-1],
    "sort": lambda digits: np.sort(digits, axis=1),
    "running": lambda digits: np.cumsum(digits, axis=1) % 10,
    "copy": lambda digits: digits,
}
_WRONG: dict[str, Callable[[Tokens], Tokens]] = {
    "sum": _sum_without_carry,
    "reverse": lambda digits: np.roll(digits, 1, axis=1),
    "sort": lambda digits: np.sort(digits, axis=1)[:, ::-1],
    "running": lambda digits: (digits + np.roll(digits, 1, axis=1)) % 10,
    "copy": lambda digits: digits,
}
"""The rule that the careful among the mistaken follow."""
