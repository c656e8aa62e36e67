"""Where a lineage's rounds went: by time, by ending, by who decided, and how well they were predicted.

Does not: count controls; `rsi.agent.controls` does, for every client alike.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.controls import has_passed
from rsi.agent.store.records import Step
from rsi.evals.controls import ControlKind
from rsi.tui.view import RoundView


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """What some rounds say besides their verdicts."""

    predictions: tuple[tuple[float, float], ...]
    """Predicted and measured ratio of each round that has both."""
    step_s: tuple[tuple[Step, float], ...]
    """Wall seconds by step, in the round's order."""
    verdicts: tuple[tuple[str, int], ...]
    """Rounds by how they ended, most first."""
    decisions: tuple[tuple[str, int], ...]
    """Decisions by actor kind and action."""

    @property
    def bottleneck(self) -> Step | None:
        """The step that takes most time; None when nothing ran."""
        return max(self.step_s, key=lambda each: each[1])[0] if self.step_s else None


def whereabouts(rounds: Sequence[RoundView]) -> Whereabouts:
    """Add up some rounds."""
    ended = [each for each in rounds if each.state.verdict is not None]
    steps: Counter[Step] = Counter()
    for each in rounds:
        for step in each.steps:
            steps[step.step] += step.wall_s  # type: ignore[assignment]  # seconds add up like counts
    return Whereabouts(
        predictions=tuple(
            (each.predicted_ratio, each.effect.estimate)
            for each in rounds
            if each.predicted_ratio is not None and each.effect is not None and not each.planted
        ),
        step_s=tuple((step, float(steps[step])) for step in Step if steps[step]),
        verdicts=tuple(Counter(each.word for each in ended if not each.planted).most_common()),
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
    reached_gate = has_passed(view.steps, {"kind": view.planted, "expect": view.expected})
    match ControlKind(view.planted):
        case ControlKind.CHEAT:
            return not reached_gate, "✖ missed" if reached_gate else "✔ caught"
        case ControlKind.POSITIVE:
            return reached_gate, "✔ found" if reached_gate else "✖ missed"
        case ControlKind.NULL | ControlKind.NEGATIVE:
            return not reached_gate, "✖ passed" if reached_gate else "✔ refused"
