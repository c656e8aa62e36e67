"""The form of task.toml: every key with its type, its bounds and what it means.

The one place where a key is written: the loader's checks, its sentences, the JSON schema for editors and the table of
FORMAT.md are made from here. Imported where a task is loaded, since pydantic takes a tenth of a second.
Does not: compare tables with each other; `contradictions` does.
"""

import copy
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rsi.sandboxes.types import Limits
from rsi.tasks.choices import Clock, Device, Direction, Honesty, MetricKind, Pattern
from rsi.tasks.format.tables import (
    AnyTable,
    Choice,
    Count,
    Listed,
    MistakeError,
    Positive,
    Table,
    Text,
    Texts,
    json_schema,
    refusing,
)
from rsi.tasks.guards import BY_NAME

NO_CLOCKS = {
    "device_s": "the host has no clock for a device's own seconds; a task that runs on a GPU is timed by wall_s, because "
    "a run holds its GPUs alone for as long as it is measured"
}
"""Words that a task's author may expect to be clocks, and why they are none."""
SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"

MEBIBYTE = 1 << 20
DEFAULT_LIMITS = Limits(wall_s=1.0, memory_bytes=MEBIBYTE)
"""Only for the defaults of its other fields."""

Share = Annotated[float, Field(gt=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
AtLeastOne = Annotated[Texts, Field(min_length=1)]
CommitName = Annotated[
    str,
    Field(
        pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$",
        json_schema_extra={"expected": "the 40 or 64 hex digits of a commit"},
    ),
]


def _known_guard(name: str) -> str:
    if name not in BY_NAME:
        raise ValueError(name)
    return name


GuardName = Annotated[
    str, AfterValidator(_known_guard), Field(json_schema_extra={"enum": list(BY_NAME)})
]


class TaskTable(Table):
    """Harbor's name and description."""

    name: Text
    """`rsi/<folder>`; the last part is the folder's name"""
    description: Text
    """one sentence"""


class EnvironmentTable(Table):
    """Where runs take place."""

    docker_image: Text
    """short tag of the environment, such as `rsi-numpy`"""
    python: Text | None = None
    """interpreter of an environment of this machine that holds exactly `environment/requirements.txt` and is used as it is; with Docker an image is built from that file"""
    cpus: Count = 1
    """what a profile uses that does not say otherwise"""
    memory_mb: Count = 2048
    """what a profile uses that does not say otherwise"""


class AgentTable(Table):
    """Limits of the one who proposes."""

    timeout_sec: Positive | None = None
    """wall seconds of one proposal"""


class VerifierTable(Table):
    """How results are judged."""

    environment_mode: Literal["separate"] = "separate"
    """the only mode"""
    timeout_sec: Positive = 60.0
    """wall seconds of one harness verb where a profile does not say otherwise"""


class OriginTable(Table):
    """Where `repo/` was copied from; nothing is fetched from there."""

    commit: CommitName
    """where `repo/` was copied from, for people: the full name of the commit"""
    url: Text | None = None
    """of that repository"""
    folder: Text | None = None
    """the part of it that was taken"""


class MetricTable(Table):
    """The number that a task improves."""

    name: Text
    """of the number that a task improves"""
    kind: Choice[MetricKind]
    """what the number means and asks of the task, below"""
    unit: Text
    """for people"""
    direction: Choice[Direction]
    """which way is better; `higher` with the clock `result` alone"""
    clock: Annotated[Choice[Clock], refusing(NO_CLOCKS)]
    """which reading decides, below"""
    minimum_effect: Share
    """smallest gain worth promoting; 0.02 means 2 percent"""
    plausible_ratio: Annotated[float, Field(gt=1)]
    """beyond it in one step a person looks"""
    thresholds: Listed[float] = ()
    """gains over the start that a reference elsewhere names, drawn with the leaderboard; they decide nothing"""

    @model_validator(mode="after")
    def _is_what_its_kind_asks(self) -> Self:
        rules, kind = self.kind.rules, f"the kind {self.kind.value}"
        if self.clock not in rules.clocks:
            raise MistakeError(
                "clock", f"is {self.clock.value!r} with {kind}", _either(rules.clocks)
            )
        if self.direction is Direction.HIGHER and self.clock is not Clock.RESULT:
            raise MistakeError(
                "direction",
                f"is 'higher' with the clock {self.clock.value}",
                "'lower': less time is better",
            )
        if self.direction not in rules.directions:
            found = f"is {self.direction.value!r} with {kind}"
            raise MistakeError("direction", found, _either(rules.directions))
        return self


class QualityTable(Table):
    """A quality that must hold."""

    name: Text
    """key in the result file's `quality` list"""
    unit: Text
    """for people"""
    direction: Choice[Direction]
    """which way is better"""
    limit: float | None = None
    """bound on every run, in `unit`, as the metric's kind asks; where an instance keeps the champion from it too, `margin` decides"""
    margin: NotNegative | None = None
    """how much worse than the champion, in `unit`, as the metric's kind asks"""
    tracks: AtLeastOne | None = None
    """those that it holds for; all where it names none"""


class GuardTable(Table):
    """A side effect with a bound."""

    name: GuardName
    """a guard, below"""
    max_ratio: Positive | None = None
    """of candidate divided by champion"""
    max_value: NotNegative | None = None
    """of the candidate; one of the two bounds at least"""

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.max_ratio is None and self.max_value is None:
            raise MistakeError("max_ratio", "is missing", "max_ratio or max_value or both")
        return self


class TestsTable(Table):
    """The repo's own tests."""

    entry: AtLeastOne
    """command of the repo's own tests, run once on each candidate of a comparison in a fresh sandbox (on the champion too where `tests_cpu_s` compares): a candidate that fails them is refuted. Protect their files; guard `tests_cpu_s` bounds what they cost"""
    wall_s: Positive | None = None
    """seconds until they count as failed (those of a candidate run)"""


class BudgetTable(Table):
    """What one run may spend of the scarce thing."""

    unit: Literal["cpu_s", "wall_s", "model_tokens", "trained_tokens", "env_steps", "calls"]
    """seconds as the host reads them, or with the pattern `served` what the harness counts and refuses beyond the limit; a run
    that spends more ends as `timeout`"""
    limit: Positive
    """of one run"""


class CandidateTable(Table):
    """What a candidate may change and how it is started."""

    entry: AtLeastOne
    """command, run in the candidate's folder"""
    build: Texts = ()
    """command run there beforehand in the same sandbox, neither timed nor counted; the kit for C is in `$RSI_KIT`"""
    editable: AtLeastOne
    """globs of what the agent may change; each matches a file of `repo/`"""
    protected: Texts = ()
    """globs of what it may not; each matches a file, and no file matches both"""
    max_source_bytes: Count
    """of all files together"""
    max_literal_bytes: Count
    """longest string, number or data literal"""
    max_files_added: Annotated[int, Field(ge=0)]
    """cap of the edit policy"""
    max_output_mb: Count = 64
    """what a run may leave in its out folder"""
    max_output_files: Count = 100
    """what a run may leave in its out folder"""
    writable: Texts = ()
    """globs of what a run may write in its own folder besides; a run that changes more ends as `tampered`. Code such as `.py` and `.so` needs a glob that ends in its suffix"""


class _AnyLimitsTable(Table):
    memory_mb: Count | None = None
    """of one run (the environment's)"""
    disk_mb: Count = DEFAULT_LIMITS.disk_bytes // MEBIBYTE
    """of one run"""
    pids: Count = DEFAULT_LIMITS.pids
    """processes and threads of one run"""
    cpus: Count | None = None
    """cores and threads of one run (the environment's); of no effect on a harness verb, which is never pinned"""


class LimitsTable(_AnyLimitsTable):
    """What one run of a candidate may use."""

    wall_s: Positive
    """seconds of one run"""


class GradeLimitsTable(_AnyLimitsTable):
    """What one harness verb may use."""

    wall_s: Positive | None = None
    """seconds of one run (the verifier's)"""


class PlanTable(Table):
    """How many pairs, and when to stop."""

    min_pairs: Count
    """fewest pairs of a comparison"""
    max_pairs: Annotated[int, Field(ge=2)]
    """most pairs, at least `min_pairs`"""
    confirm_pairs: Count
    """pairs with fresh seeds and data before the gate"""
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    """one-sided rate of false promotions of one candidate"""

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.max_pairs < self.min_pairs:
            expected = f"at least min_pairs, {self.min_pairs}"
            raise MistakeError("max_pairs", f"is {self.max_pairs}", expected)
        return self


class ChangedQualityTable(Table):
    """What a profile or a track changes of a quality."""

    limit: float | None = None
    """replaces the rule's"""
    margin: NotNegative | None = None
    """replaces the rule's"""


class ProfileTable(Table):
    """A size of the task."""

    claim: Literal["none", "screen", "promote"]
    """what a result may claim"""
    transfer: Text | None = None
    """a larger profile at which gains should hold too: `rsi audit --transfer`"""
    required_multiply_adds: Annotated[int, Field(ge=0)] = 0
    """multiply-adds that no honest run can leave out, in single precision: part of the floor; with `device = "cpu"` and a clock of the host alone"""
    pairs_at_once: Count = 1
    """pairs that may run beside each other on cores of their own; more than one with the clock `cpu_s` alone"""
    spare_cpu_s: Positive = 0.5
    """CPU seconds that a worker may use outside its calls, with the pattern `clocked_worker`: to start and to leave, more where it starts a GPU"""
    budget_limit: Positive | None = None
    """replaces `[rsi.budget] limit`"""
    limits: LimitsTable
    grade_limits: GradeLimitsTable = GradeLimitsTable()
    plan: PlanTable
    quality: dict[str, ChangedQualityTable] = Field(default_factory=dict)
    settings: AnyTable = Field(default_factory=dict)
    """handed to the harness as it is"""


class TrackTable(Table):
    """Who owns what: one set of rules on the same repo and harness."""

    description: Text
    """what the track fixes and what it leaves free"""
    settings: AnyTable = Field(default_factory=dict)
    """merged over every profile's settings"""
    quality: dict[str, ChangedQualityTable] = Field(default_factory=dict)
    """over the profile's"""
    candidate: AnyTable = Field(default_factory=dict)
    """any key of `[rsi.candidate]`"""
    profile: dict[str, AnyTable] = Field(default_factory=dict)
    """any key of the profile, merged last"""


class RsiTable(Table):
    """What Harbor's format has no word for."""

    pattern: Choice[Pattern]
    """who runs what, below"""
    device: Choice[Device] = Device.CPU
    """what hardware a run needs, below"""
    honesty: Choice[Honesty] | None = None
    """whose word the quality is, below: L0 is hearsay and leaves each promotion to a person; L2 alone may claim"""
    trains: Text | None = None
    """what whoever solves it learns to do, in a few words, for the catalogue"""
    suite: Texts = ()
    """free tags"""
    default_profile: Text
    """a name under `[rsi.profile]`"""
    default_track: Text | None = None
    """a name under `[rsi.track]`; required when there are tracks"""
    origin: OriginTable | None = None
    metric: MetricTable
    quality: Annotated[Listed[QualityTable], Field(min_length=1)]
    guard: Listed[GuardTable] = ()
    tests: TestsTable | None = None
    budget: BudgetTable | None = None
    candidate: CandidateTable
    profile: Annotated[
        dict[str, ProfileTable],
        Field(
            min_length=1,
            json_schema_extra={"expected": "at least one profile, such as [rsi.profile.smoke]"},
        ),
    ]
    track: dict[str, TrackTable] = Field(default_factory=dict)
    rows: dict[str, Text] = Field(default_factory=dict)
    """row of the suite (`tasks/rows.py` lists them) to the solution that proves it by beating what it is made on, or to `selfcheck:<name>`; `rsi task rows --measure` measures"""


class TaskFile(Table):
    """A task of rsi."""

    schema_version: Literal["1.4"]
    """of Harbor's format, whose field names `[task]`, `[environment]`, `[agent]` and `[verifier]` use"""
    task: TaskTable
    environment: EnvironmentTable
    agent: AgentTable = AgentTable()
    verifier: VerifierTable = VerifierTable()
    rsi: RsiTable


def task_schema() -> dict[str, Any]:
    """The JSON schema of task.toml, for editors; what a track overlays may leave out what it does not change."""
    schema = copy.deepcopy(json_schema(TaskFile))
    track = schema["$defs"]["TrackTable"]["properties"]
    track["candidate"] |= {"$ref": _partial("CandidateTable", schema)}
    track["profile"]["additionalProperties"] = {"$ref": _partial("ProfileTable", schema)}
    return {"$schema": SCHEMA_URL} | schema | {"title": "task.toml of rsi"}


def _partial(name: str, schema: dict[str, Any]) -> str:
    """Reference to the same table with nothing required, the tables below it neither."""
    partial = f"Partial{name}"
    node = copy.deepcopy(schema["$defs"][name])
    node.pop("required", None)
    schema["$defs"][partial] = node
    for key, value in node["properties"].items():
        if below := value.get("$ref"):
            below_name = below.rsplit("/", 1)[-1]
            if schema["$defs"][below_name].get("type") == "object":
                node["properties"][key] = value | {"$ref": _partial(below_name, schema)}
    return f"#/$defs/{partial}"


def _either(words: tuple[Clock, ...] | tuple[Direction, ...]) -> str:
    return " or ".join(repr(each.value) for each in words)
