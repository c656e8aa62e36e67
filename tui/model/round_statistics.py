"""Where a lineage's rounds went: by ending, by who decided, and how well they were predicted.

Does not: count controls; `rsi.agent.policy.controls` does, for every client alike.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.store.rounds import RoundView
from rsi.evals.planted.controls import ControlKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """What some rounds say besides their verdicts."""

    predictions: tuple[tuple[float, float], ...]
    """Predicted and measured ratio of each round that has both."""
    verdicts: tuple[tuple[str, int], ...]
    """Ideas by how they ended, most first; what was planted is counted by itself."""
    planted: int
    """Planted patches that ended."""
    decisions: tuple[tuple[str, int], ...]
    """Decisions by actor kind and action."""


def whereabouts(rounds: Sequence[RoundView]) -> Whereabouts:
    """Add up some rounds."""
    ended = [each for each in rounds if each.state.verdict is not None]
    return Whereabouts(
        predictions=tuple(
            (each.predicted_ratio, each.effect.estimate)
            for each in rounds
            if each.predicted_ratio is not None and each.effect is not None and not each.planted
        ),
        verdicts=tuple(Counter(each.word for each in ended if not each.planted).most_common()),
        planted=sum(each.planted is not None for each in ended),
        decisions=tuple(
            Counter(
                f"{d.actor.split(':')[0]} {d.action.value}" for e in rounds for d in e.decisions
            ).most_common()
        ),
    )


def control_word(view: RoundView) -> tuple[bool, str]:
    """Whether a planted round ended as it should, and the word for that."""
    if view.state.verdict is None:
        return True, "under way"
    kind = None if view.planted is None else view.planted.kind
    reached_gate = view.has_reached_gate
    match kind:
        case ControlKind.CHEAT:
            return not reached_gate, "✖ missed" if reached_gate else "✔ caught"
        case ControlKind.POSITIVE:
            return reached_gate, "✔ found" if reached_gate else "✖ missed"
        case ControlKind.NULL | ControlKind.NEGATIVE | None:
            return not reached_gate, "✖ passed" if reached_gate else "✔ refused"
