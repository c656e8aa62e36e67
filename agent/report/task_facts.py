"""What is shown of a task's own declaration, where the task's folder is at hand."""

from dataclasses import dataclass
from pathlib import Path

from rsi.agent.store.records import CampaignRecord
from rsi.evals.judge.pairing import DISTURBED_CLOCKS
from rsi.tasks.choices import Direction
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import load_task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What a task declares; the defaults where its folder is not at hand."""

    metric: str = ""
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
    is_spoiled_by_load: bool = False
    """True when the deciding clock is one that other work on the machine disturbs."""


class KnownTasks:
    """The tasks' declarations; each folder is read once."""

    def __init__(self) -> None:
        self._facts: dict[str, TaskFacts] = {}

    def of(self, record: CampaignRecord) -> TaskFacts:
        """What the task of a campaign declares."""
        root = record.config.task_root
        key = f"{root}:{record.track}"
        if key not in self._facts:
            self._facts[key] = load_task_facts(root, record.track)
        return self._facts[key]


def load_task_facts(root: str, track: str) -> TaskFacts:
    """What the task declares; nothing when its folder is on another machine."""
    try:
        if not root or not (Path(root) / "task.toml").is_file():
            return TaskFacts()
        task = load_task(Path(root), track=track)
    except (TaskError, OSError):
        return TaskFacts()
    metric = task.metric
    return TaskFacts(
        metric=f"{metric.name}, {metric.unit}",
        is_lower_better=metric.direction is Direction.LOWER,
        minimum_effect=metric.minimum_effect,
        plausible_ratio=metric.plausible_ratio,
        thresholds=metric.thresholds,
        gain=metric.kind.rules.gain,
        ratio_word=metric.kind.rules.ratio,
        honesty="" if task.honesty is None else task.honesty.text,
        is_spoiled_by_load=metric.clock in DISTURBED_CLOCKS,
    )
