"""What is kept of a trial beside its task: what was typed, what was seen. And the way from a repo's folder to its task.

Does not: run anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rsi.agent.errors import LedgerCorruptError, LedgerSchemaError
from rsi.agent.store.codec import ADDED, decode, encode
from rsi.agent.store.home import Home
from rsi.tasks.errors import NewTaskError
from rsi.tasks.format.toml_files import FILE

KEPT = "trial.json"
"""In the task's folder; no part of its digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person typed, in plain values."""

    folder: str
    """Absolute path of the repo, or of the part of one that is meant."""
    name: str
    command: str
    quality: tuple[str, ...]
    higher: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    evaluate: str | None = None
    hold_out: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    editable: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    budget_s: float | None = None
    margins: tuple[float, ...] = ()
    """One for each quality, or none."""
    added: tuple[str, ...] = ()
    """Requirements besides those that the repo names."""
    python: str | None = None
    device: str | None = None
    """None takes what the first run used."""
    cpus: int = 1
    wall_s: float = 1800.0
    """Most that the first run may take."""
    memory_mb: int | None = None
    commit: str | None = None
    """None takes the working tree."""
    sandbox: str = "auto"
    proxy: str | None = field(default=None, metadata={ADDED: True})
    """A smaller size of the same run, on which ideas are searched; None where the run has one size."""
    early_stop: bool = field(default=False, metadata={ADDED: True})
    """Whether a change whose curve is behind is given up before its first pair has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is written beside the task."""

    asked: Asked
    line: str
    """The first honest line."""
    advice: tuple[str, ...]
    """What to do for the next level, one sentence each."""
    numbers: Mapping[str, float]
    """Seconds, noise, smallest visible gain: by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A trial whose task is there."""

    root: Path
    """The task's folder."""
    record: Record

    @property
    def asked(self) -> Asked:
        return self.record.asked


def tasks_folder(here: Home) -> Path:
    """Where the tasks of trials are."""
    return here.root / "tasks"


def save(kept: Kept) -> None:
    """Write it beside its task."""
    (kept.root / KEPT).write_text(encode(kept.record) + "\n", encoding="utf-8")


def trial_at(root: Path) -> Kept | None:
    """The trial of a task's folder; None for a task that is none or a record of another version."""
    try:
        return Kept(root=root, record=decode(Record, (root / KEPT).read_text(encoding="utf-8")))
    except (OSError, LedgerCorruptError, LedgerSchemaError):
        return None


def trial_of(here: Home, folder: Path) -> Kept | None:
    """The newest trial of a repo's folder; None where there is none."""
    found = [trial_at(path.parent) for path in tasks_folder(here).glob(f"*/{KEPT}")]
    own = [each for each in found if each and each.asked.folder == str(folder.resolve())]
    return max(own, key=lambda each: (each.root / KEPT).stat().st_mtime, default=None)


def named_task(here: Home, word: str) -> str:
    """What the loader takes for a task that a person named: the folder of a trial's repo stands for its task.

    Raises:
        NewTaskError: A repo's folder without a trial.
    """
    folder = Path(word).expanduser()
    if word in {".", ".."} or ("/" in word and folder.is_dir()):
        if (folder / FILE).is_file():
            return word
        kept = trial_of(here, folder)
        if kept is not None:
            return str(kept.root)
        if (folder / ".git").exists():
            raise NewTaskError(
                f'{word!r} is a repo that was never tried; there: rsi try "python train.py --seed {{seed}}" --quality val_loss'
            )
    by_name = tasks_folder(here) / word
    return str(by_name) if (by_name / FILE).is_file() else word
