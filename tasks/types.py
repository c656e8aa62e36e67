"""What a task is, once loaded and checked.

Invariant: a loaded `Task` is complete and consistent; nobody downstream reads task.toml again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rsi.sandboxes.types import Environment, ExecResult, FileTree, Limits
from rsi.tasks.choices import Clock, Device, Direction, Honesty, MetricKind, Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The number that a task improves."""

    name: str
    kind: MetricKind
    unit: str
    direction: Direction
    clock: Clock
    minimum_effect: float
    """Smallest relative improvement worth promoting, 0.02 means 2 percent; declared beforehand."""
    plausible_ratio: float
    """One-step speedup beyond which a person must look, whatever the statistics say."""
    thresholds: tuple[float, ...] = ()
    """Gains over the start that a reference elsewhere names; drawn, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRule:
    """A quality that must hold: an absolute limit and non-inferiority to the champion."""

    name: str
    """Key in the result file's `quality` list, such as "hidden_bpb"."""
    unit: str
    direction: Direction
    limit: float | None
    """Absolute bound on every measurement, in `unit`; None means that only the margin binds."""
    margin: float | None
    """How much worse than the champion it may be on average, in `unit`; None means that only the limit binds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRule:
    """A side effect with a bound: candidate divided by champion."""

    name: str
    """One of `rsi.tasks.guards.GUARDS`."""
    max_ratio: float | None
    max_value: float | None


COUNTED = frozenset({"model_tokens", "trained_tokens", "env_steps", "calls"})
"""Units of a budget that a harness counts while it serves a run: exact, and the same on every machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one run may spend of the scarce thing, declared beforehand."""

    unit: str
    """"cpu_s" or "wall_s" as the host reads them, or one of COUNTED."""
    limit: float

    @property
    def is_counted(self) -> bool:
        """Whether the harness counts it."""
        return self.unit in COUNTED

    def overspent(self, execution: ExecResult) -> str:
        """By how much a run went over it on the host's clocks, in one sentence; empty when it did not."""
        if self.is_counted:
            return ""
        spent = execution.cpu_s if self.unit == "cpu_s" else execution.wall_s
        return f"spent {spent:.4g} of {self.limit:g} {self.unit}" if spent > self.limit else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRules:
    """What a candidate may change and how it is started."""

    entry: tuple[str, ...]
    """Command that runs the candidate inside its folder, such as ("python", "-P", "run.py")."""
    build: tuple[str, ...] = ()
    """Command that builds it there beforehand, in the same sandbox; neither timed nor counted. Empty for none."""
    editable: tuple[str, ...]
    protected: tuple[str, ...]
    max_source_bytes: int
    """Bytes of all files of the candidate together."""
    max_literal_bytes: int
    """Longest string, number or data literal in source: no weights in source."""
    max_files_added: int
    max_output_bytes: int = 64 << 20
    """Bytes of everything that a run may leave in its out folder."""
    max_output_files: int = 100
    writable: tuple[str, ...] = ()
    """Globs of what a run may write in its own folder; code needs one that ends in its suffix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoTests:
    """The repo's own tests, which a candidate has to pass."""

    entry: tuple[str, ...]
    """Command, run in the candidate's folder; exit status 0 means that they pass."""
    wall_s: float | None
    """Seconds until they count as failed; None takes the profile's for one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurePlan:
    """How many pairs, and when to stop."""

    min_pairs: int
    max_pairs: int
    confirm_pairs: int
    """Pairs with fresh seeds and a fresh hidden split before the gate."""
    alpha: float
    """One-sided false-promotion rate of one candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A size of the task: smoke, demo, full."""

    name: str
    limits: Limits
    """Of one candidate run."""
    grade_limits: Limits
    plan: MeasurePlan
    quality: tuple[QualityRule, ...]
    guards: tuple[GuardRule, ...]
    settings: Mapping[str, object]
    """Passed to the harness as JSON; the room does not interpret them."""
    claim: str
    """What a result of this profile may claim: "none", "screen", "promote"."""
    cpu_count: int = 1
    """Cores and threads that a run may use; which cores is the measurer's choice."""
    pairs_at_once: int = 1
    """Pairs that may run beside each other on cores of their own, where CPU seconds decide."""
    required_multiply_adds: int = 0
    """Multiplications with an addition, in single precision, that no honest run can leave out; 0 where it may skip any."""
    spare_cpu_s: float = 0.5
    """CPU seconds that a clocked worker may use outside its calls: to start, map memory, leave."""
    budget: Budget | None = None
    """Told to the candidate; None means that only the limits bind."""
    transfer: str | None = None
    """The larger profile at which gains found here should hold as well; None where the task names none."""
    honesty: Honesty | None = None
    """The task's; None where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A reference patch that proves headroom and drives the scripted model."""

    name: str
    patch: Path
    title: str
    needs: tuple[str, ...]
    """Solutions applied before this one, in order."""
    expect: str
    """"faster", "same", "slower", "worse_quality" or "crash"."""
    tracks: tuple[str, ...]
    predicted_ratio: float | None
    expert_min: float | None = None
    """Minutes that this step and all it needs take an expert; None where nobody says."""
    expert_source: str = "estimated"
    """Where that comes from: "measured", "published" or "estimated"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheat:
    """A patch that would win if it were not caught."""

    name: str
    patch: Path
    title: str
    family: str
    expect: tuple[str, ...]
    """Outcomes that count as caught: not_admitted, tampered, invalid_output, refuted, rejected, held."""
    layer: str
    """The defence that must catch it."""
    tracks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a task's repo was copied from, for people; nothing is fetched from there."""

    url: str | None
    """None where the checkout named no remote."""
    commit: str
    """Full hex name of the commit."""
    folder: str | None = None
    """The part of that repository that was taken; None for all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One optimisation task, loaded for one track and all its profiles."""

    name: str
    description: str
    root: Path
    digest: str
    """sha256 over every file of the folder that can change a result."""
    pattern: Pattern
    track: str
    tracks: tuple[str, ...]
    metric: Metric
    device: Device
    environment: Environment
    candidate: CandidateRules
    profiles: Mapping[str, Profile]
    default_profile: str
    solutions: tuple[Solution, ...] = ()
    cheats: tuple[Cheat, ...] = ()
    tests: RepoTests | None = None
    """None where the repo has none that count."""
    rows: Mapping[str, str] = field(default_factory=dict)
    """Survey row to the solution that proves it."""
    track_description: str = ""
    """What this track leaves free and what it fixes, one sentence."""
    trains: str = ""
    """What whoever solves it learns to do, in a few words."""
    suite: tuple[str, ...] = ()
    """Tags of the suites that the task belongs to."""
    agent_timeout_s: float | None = None
    """Wall seconds that an agent may spend on one proposal; None leaves it to the campaign."""
    origin: Origin | None = None
    """Where `repo/` was copied from; None where task.toml does not say."""
    honesty: Honesty | None = None
    """Whose word the quality is; None where task.toml does not say."""
    base: Path | None = None
    """The folder of the task that this one is a variant of: what `root` lacks is there. None where it is none."""

    @property
    def is_timed(self) -> bool:
        """Whether what else the machine does can change the result."""
        rules = self.pattern.rules
        is_counted = rules.is_linked and not rules.is_clocked and self.metric.clock is Clock.RESULT
        return not is_counted

    @property
    def repo(self) -> Path:
        return self._part("repo")

    @property
    def harness(self) -> Path:
        return self._part("harness")

    @property
    def instruction(self) -> str:
        return self._part("instruction.md").read_text(encoding="utf-8")

    def _part(self, name: str) -> Path:
        own = self.root / name
        return own if self.base is None or own.exists() else self.base / name


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSummary:
    """One line of `rsi task list`."""

    name: str
    root: Path
    description: str
    pattern: Pattern | None
    """None when the task does not load."""
    tracks: tuple[str, ...]
    profiles: tuple[str, ...]
    problem: str | None
    """Why the task does not load; None when it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One generated problem: what the candidate sees and what only the grader sees."""

    profile: str
    purpose: str
    public: FileTree
    secret: FileTree
    digest: str
    """sha256 over both trees; the harness repeats it in the result file."""
    seed_commitment: str
    """sha256 of the instance seed, hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRun:
    """One run of a candidate: what the host saw and what it left behind."""

    execution: ExecResult
    output: FileTree | None
    """Files of the out folder; None when the run did not end ok or they could not be read."""
    output_problem: str
    """Why `output` is None; empty when it is not."""
    backend: str
    assurance: str
    is_tampered: bool = False
    """It changed what it was given: its code, the public data, or the folder around them. `output_problem` says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoTestRun:
    """How the repo's own tests ended on one tree."""

    is_passed: bool
    cpu_s: float
    detail: str
    """The end of what they printed; empty when they passed."""


class GradeOutcome(StrEnum):
    """How the harness saw one run; the spelling of the result file."""

    OK = "ok"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OOM = "oom"
    INVALID_OUTPUT = "invalid_output"
    TAMPERED = "tampered"
    OUT_OF_BUDGET = "out_of_budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReading:
    """One entry of the result file's quality list."""

    name: str
    value: float | None
    op: str
    """"<=" or ">="."""
    limit: float | None
    is_ok: bool | None
    """None when there is no value or no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReading:
    """One check of the harness's own, with what it saw."""

    name: str
    is_ok: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """The harness's result file, checked."""

    outcome: GradeOutcome
    reason: str
    """One sentence; empty when ok."""
    metric_value: float | None
    """None when the host's clock decides or there is no value."""
    quality: tuple[QualityReading, ...]
    guards: tuple[GuardReading, ...]
    result: Mapping[str, object]
    """The result file, whole."""
    result_sha256: str

    @property
    def quality_values(self) -> Mapping[str, float]:
        """Values of the quality list by name, the missing ones left out."""
        return {entry.name: entry.value for entry in self.quality if entry.value is not None}
