"""What a person says about a task to make, and the mistakes that its words alone show.

Does not: look at the repo; `new_task` does.
"""

import math
import re
from dataclasses import dataclass

from rsi.tasks.choices import Clock, Direction
from rsi.tasks.errors import NewTaskError
from rsi.tasks.making.own.grading import OwnGrading
from rsi.tasks.making.own.resolving import Chosen
from rsi.tasks.making.repo_copy import RepoCopy
from rsi.tasks.making.repo_facts import STANDARD_ENVIRONMENTS
from rsi.tasks.types import MeasurePlan

_NAME = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")
MAX_NAME = 60
USUAL_PLAN = MeasurePlan(min_pairs=4, max_pairs=16, confirm_pairs=4, alpha=0.025)
_QUALITY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")
_ENVIRONMENT_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person said about the task to make."""

    name: str
    repo: str
    """A folder, or the URL of a git repository."""
    entry: tuple[str, ...]
    editable: tuple[str, ...]
    clock: Clock
    commit: str | None = None
    protected: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tests: tuple[str, ...] | None = None
    """Command of the repo's own tests, which each candidate then has to pass."""
    artifact: str | None = None
    """The file that a run leaves; None finds it in the source."""
    quality: str | None = None
    """None where nothing but the artifact's being there is looked at."""
    direction: Direction = Direction.LOWER
    limit: float | None = None
    margin: float | None = None
    unit: str = "points"
    """Of the quality, for people."""
    environment: str | None = None
    device: str = "cpu"
    cpus: int = 1
    memory_mb: int | None = None
    wall_s: float = 300.0
    copy: RepoCopy | None = None
    """The repo's files where they were read before; None reads them."""
    own: OwnGrading | None = None
    """How it is graded without code of the author's; None writes a grader to complete."""
    chosen: Chosen | None = None
    """The environment where it was chosen before; None finds one."""
    plan: MeasurePlan = USUAL_PLAN
    minimum_effect: float = 0.03
    """Smallest gain worth promoting, 0.03 means 3 percent."""


def check_words(wanted: Wanted) -> None:
    """Refuse words that cannot be meant, before anything is read or fetched.

    Raises:
        NewTaskError: The first mistake, with the option it is in.
    """
    if not _NAME.fullmatch(wanted.name) or len(wanted.name) > MAX_NAME:
        raise NewTaskError(
            f"{wanted.name!r} cannot name a task; use up to {MAX_NAME} lower-case letters and digits with single - or _ "
            "between them"
        )
    if not wanted.editable:
        raise NewTaskError(
            'nothing is editable; say what the agent may change, as --editable "src/**"'
        )
    if wanted.environment is not None and not _ENVIRONMENT_NAME.fullmatch(wanted.environment):
        known = ", ".join(STANDARD_ENVIRONMENTS)
        raise NewTaskError(
            f"{wanted.environment!r} cannot name an environment; take one of {known}, or a name of lower-case letters"
        )
    if wanted.device != "cpu" and wanted.clock is Clock.CPU_S:
        raise NewTaskError(
            f"--metric cpu_s does not go with --device {wanted.device}: CPU seconds do not count what a GPU does; take wall_s"
        )
    _check_quality(wanted)
    _check_limits(wanted)


def _check_quality(wanted: Wanted) -> None:
    named = (("--limit", wanted.limit), ("--margin", wanted.margin))
    for word, value in named:
        if value is not None and not math.isfinite(value):
            raise NewTaskError(f"{word} is {value:g}; expected a finite number")
    if wanted.quality is None:
        if any(value is not None for _, value in named):
            raise NewTaskError("--limit and --margin are of a quality; name it with --quality")
        return
    if not _QUALITY_NAME.fullmatch(wanted.quality):
        raise NewTaskError(f"{wanted.quality!r} cannot name a quality; use letters, digits and _")
    if not wanted.unit.strip() or not wanted.unit.isprintable():
        raise NewTaskError(f"--unit is {wanted.unit!r}, expected a word such as nats")
    if wanted.margin is None and not wanted.limit:
        raise NewTaskError(
            f"how much worse than the champion may {wanted.quality!r} be? Say it with --margin, or give a --limit, of which "
            "one percent is taken"
        )
    if wanted.margin is not None and wanted.margin < 0:
        raise NewTaskError(
            f"--margin is {wanted.margin:g}; it says how much worse is allowed, so at least 0"
        )


def _check_limits(wanted: Wanted) -> None:
    memory_mb = 1 if wanted.memory_mb is None else wanted.memory_mb
    for word, value in (
        ("--cpus", wanted.cpus),
        ("--memory-mb", memory_mb),
        ("--wall-s", wanted.wall_s),
    ):
        if not 0 < value < math.inf:
            raise NewTaskError(f"{word} is {value:g}; it must be more than 0")
