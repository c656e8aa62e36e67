"""Early stopping of a trial's changes by the curves that their runs print, where the person asked for it.

Does not: judge; see `CurveScreen`. Invariant: nothing is confirmed or measured at full size with it.
"""

import json
import re
from pathlib import Path

from rsi.agent.trial.kept import Kept, trial_at
from rsi.evals.measure.curve_screen import CurveScreen
from rsi.evals.measure.running import Listener
from rsi.tasks.choices import Clock, Direction
from rsi.tasks.errors import NewTaskError
from rsi.tasks.making.own.quality_words import Reading, Source, read_qualities
from rsi.tasks.types import Profile, Task

WORDS = "given up early, which is a screen and no measurement: "


def require_a_curve(readings: tuple[Reading, ...]) -> None:
    """Refuse early stopping where no run prints its first quality as it goes.

    Raises:
        NewTaskError: It is read from a file.
    """
    if readings[0].source is Source.FILE:
        raise NewTaskError(
            f"--early-stop compares what runs print, and {readings[0].name} is read from {readings[0].file!r}; leave it out, or name "
            "a printed quality first"
        )


def curve_screen(
    root: Path, task: Task, profile: Profile, inner: Listener | None = None
) -> CurveScreen | None:
    """What watches the runs of a change to a trial's repo; None where nobody asked for it.

    Args:
        root: The task's folder.
        task: The task.
        profile: The size at which it runs; a trial's usual one.
        inner: Told what runs print besides.
    """
    kept = trial_at(root)
    if kept is None or not kept.asked.early_stop:
        return None
    reading = _first_reading(kept)
    # Arms in turns on the same cores need twice the time that one needs alone.
    beside = 2.0 if task.metric.clock is Clock.CPU_S else 1.0
    margin = next(rule.margin or 0.0 for rule in profile.quality if rule.name == reading.name)
    return CurveScreen(
        read=lambda line: value_in(reading, line),
        name=reading.name,
        is_higher_better=reading.direction is Direction.HIGHER,
        margin=margin,
        run_s=beside * kept.record.numbers["seconds"],
        inner=inner,
    )


def value_in(reading: Reading, line: str) -> float | None:
    """The value of a quality in one printed line; None where it has none."""
    try:
        if reading.source is Source.PATTERN:
            found = list(re.finditer(reading.pattern, line))
            return float(found[-1][1].rstrip(".,;%")) if found else None
        value = json.loads(line) if line.lstrip().startswith("{") else None
        for part in reading.key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, RecursionError):
        return None


def _first_reading(kept: Kept) -> Reading:
    asked = kept.asked
    return read_qualities(asked.quality, higher=asked.higher, lower=asked.lower)[0]
