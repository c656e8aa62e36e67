"""What is shown of a task's own declaration, where its folder is at hand or rsi brings a task of that name."""

from dataclasses import dataclass
from pathlib import Path

from rsi.agent.store.records import CampaignRecord
from rsi.evals.judge.pairing import DISTURBED_CLOCKS
from rsi.tasks.choices import Direction
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import load_task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What a task declares; the defaults where it is not at hand."""

    description: str = ""
    metric: str = ""
    unit: str = ""
    """Of the metric's values."""
    is_lower_better: bool = True
    minimum_effect: float | None = None
    plausible_ratio: float | None = None
    thresholds: tuple[float, ...] = ()
    """Gains over the start that a reference elsewhere names."""
    gain: str = ""
    """What a candidate is whose number is better: "faster" or "better"."""
    honesty: str = ""
    """Whose word its quality is, such as "L1, evaluated: ..."; empty where the task does not say."""
    ratio_word: str = "gain"
    """What one value over another is called: "speedup" only where the value is what a run costs."""
    free_profiles: frozenset[str] = frozenset()
    """Profiles that claim nothing, on which autonomy need not be earned."""
    is_spoiled_by_load: bool = False
    """True when the deciding clock is one that other work on the machine disturbs."""


class KnownTasks:
    """The tasks' declarations; each folder is read once."""

    def __init__(self) -> None:
        self._facts: dict[str, TaskFacts] = {}

    def of(self, record: CampaignRecord) -> TaskFacts:
        """What the task of a campaign declares."""
        key = f"{record.config.task_root}:{record.task}:{record.track}"
        if key not in self._facts:
            self._facts[key] = facts_of(record)
        return self._facts[key]


def facts_of(record: CampaignRecord) -> TaskFacts:
    """What the task of a campaign declares.

    Where its folder is on another machine, the task of that name that is found here; nothing where there is none.
    """
    root = Path(record.config.task_root)
    try:
        has_folder = bool(record.config.task_root) and (root / "task.toml").is_file()
    except OSError:
        return TaskFacts()  # another's folder: which task lies in it is not for us to guess
    return load_task_facts(root if has_folder else record.task, record.track)


def load_task_facts(name_or_path: str | Path, track: str) -> TaskFacts:
    """What a task declares; nothing where it cannot be loaded."""
    try:
        task = load_task(name_or_path, track=track)
    except (TaskError, OSError):
        return TaskFacts()
    metric = task.metric
    return TaskFacts(
        description=task.description,
        metric=f"{metric.name}, {metric.unit}",
        unit=metric.unit,
        is_lower_better=metric.direction is Direction.LOWER,
        minimum_effect=metric.minimum_effect,
        plausible_ratio=metric.plausible_ratio,
        thresholds=metric.thresholds,
        gain=metric.kind.rules.gain,
        ratio_word=metric.kind.rules.ratio,
        honesty="" if task.honesty is None else task.honesty.text,
        free_profiles=frozenset(
            name for name, each in task.profiles.items() if each.claim == "none"
        ),
        is_spoiled_by_load=metric.clock in DISTURBED_CLOCKS,
    )
