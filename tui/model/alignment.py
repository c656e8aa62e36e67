"""Two trajectories step by step beside each other: what is the same stands on one line, what is not is marked.

Pure.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from rsi.agent.store.records import TrajectoryEvent
from rsi.tui.model.trajectory import Headline, headline

ALIGNED_STEPS = 1_500
"""Of each trajectory after the two have parted: finding common steps costs the product of both."""


_OF_ONE_RUN = frozenset({"id", "call_id", "usd", "payload", "facts", "base_commit"})
"""Keys of a payload that differ between two runs that say and do the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One step of a trajectory, as far as comparing needs it."""

    headline: Headline
    said: int
    """Hash of all that it says, its headline being cut."""


def compared(event: TrajectoryEvent) -> Compared:
    """What is compared of an event."""
    payload = {key: value for key, value in event.payload.items() if key not in _OF_ONE_RUN}
    said = json.dumps(payload, sort_keys=True, ensure_ascii=False)
    return Compared(headline=headline(event), said=hash((event.kind.value, said)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPair:
    """A line of the comparison."""

    left: Headline | None
    """None where only the other one has a step."""
    right: Headline | None
    is_same: bool


def aligned(left: Sequence[Compared], right: Sequence[Compared]) -> tuple[StepPair, ...]:
    """The steps of both, those that say the same beside each other.

    Args:
        left: Steps in order.
        right: Those of the other trajectory.
    """
    names = [[each.said for each in side] for side in (left, right)]
    common = 0
    while common < min(map(len, names)) and names[0][common] == names[1][common]:
        common += 1
    pairs = [_pair(left[at], right[at], is_same=True) for at in range(common)]
    rest = [side[common:] for side in names]
    blocks: Sequence[tuple[str, int, int, int, int]]
    if max(map(len, rest)) > ALIGNED_STEPS:
        blocks = [("replace", 0, len(rest[0]), 0, len(rest[1]))]
    else:
        blocks = SequenceMatcher(None, rest[0], rest[1], autojunk=False).get_opcodes()
    for word, a, b, c, d in blocks:
        sides = zip_longest(left[common + a : common + b], right[common + c : common + d])
        pairs += [_pair(one, two, is_same=word == "equal") for one, two in sides]
    return tuple(pairs)


def first_difference(pairs: Sequence[StepPair]) -> int | None:
    """Number of the first line that differs; None when none does."""
    return next((at for at, each in enumerate(pairs) if not each.is_same), None)


def _pair(left: Compared | None, right: Compared | None, *, is_same: bool) -> StepPair:
    return StepPair(
        left=None if left is None else left.headline,
        right=None if right is None else right.headline,
        is_same=is_same,
    )
