"""Values of the evidence room: measurements, scores, findings.

Invariant: a score is a pure function of measurements and a declared plan; no number stands for "missing".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rsi.sandboxes.time_slices import SliceUse


class Arm(StrEnum):
    """Which code a measurement ran."""

    CHAMPION = "champion"
    CANDIDATE = "candidate"


class Purpose(StrEnum):
    """What a measurement is for; purposes never share instances or seeds."""

    DEV = "dev"
    SCREEN = "screen"
    CONFIRM = "confirm"
    BASELINE = "baseline"
    """A confirmed candidate against the lineage's round-0 baseline, before the gate."""
    AUDIT = "audit"
    """A champion against the baseline for a report, in sessions apart in time."""
    COMPARE = "compare"
    """Two trees, a number of pairs fixed beforehand: what a part is worth, how noisy a task is."""
    EXTRA = "extra"
    """Asked for by a person at the gate, after the verdict and beside it."""
    CONTROL = "control"


class Outcome(StrEnum):
    """How one measurement ended."""

    OK = "ok"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OOM = "oom"
    INVALID_OUTPUT = "invalid_output"
    TAMPERED = "tampered"
    OUT_OF_TURN = "out_of_turn"
    """It waited in its time slices and worked when the other arm had ended, so that the pair compares nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What else the machine did during a measurement; None where the platform cannot tell."""

    load_1m: float | None
    steal_s: float | None
    others_cpu_s: float | None
    """CPU seconds used by processes outside the sandbox while it ran."""
    is_disturbed: bool
    gpus: tuple[str, ...] = ()
    """State of each GPU of the run when it had ended: free memory, clock, temperature, power, what held clocks down."""
    gpu_problems: tuple[str, ...] = ()
    """What makes times on them untrustworthy, as sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One timed run of one arm, graded."""

    arm: Arm
    purpose: Purpose
    pair: int
    """0-based number of the pair within its purpose."""
    position: int
    """0 if it ran first in its pair, 1 if second."""
    outcome: Outcome
    cpu_s: float | None
    """CPU seconds of the whole tree; None when the run did not finish."""
    wall_s: float | None
    """Wall seconds until it ended or was ended; None only for runs that older versions ended."""
    max_rss_bytes: int | None
    metric_value: float | None
    """The deciding value, in the metric's unit; None when the run did not end ok."""
    quality: Mapping[str, float]
    """Values of the result file's quality list by name."""
    result: Mapping[str, object]
    """The harness's result file, whole; empty when there was none."""
    detail: str
    """One sentence about what went wrong with the end of its output; empty when ok."""
    backend: str
    assurance: str
    seed_commitment: str
    """sha256 of the instance seed."""
    disturbance: Disturbance
    slices: SliceUse | None = None
    """How it used its time slices; None when it ran without any, or an older version measured it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A ratio with its confidence interval; 1.10 means 10 percent better than the champion."""

    estimate: float
    low: float
    high: float
    confidence: float
    """Such as 0.95."""
    pairs: int

    @property
    def text(self) -> str:
        """Such as "1.42x [1.31, 1.55]"."""
        return f"{self.estimate:.2f}x [{self.low:.2f}, {self.high:.2f}]"


class Verdict(StrEnum):
    """What the evidence says."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityResult:
    """One quality rule applied to all pairs."""

    name: str
    champion_mean: float | None
    candidate_mean: float | None
    difference_low: float | None
    difference_high: float | None
    """Confidence interval of candidate minus champion, in the rule's unit."""
    limit: float | None
    margin: float | None
    is_kept: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardResult:
    """One guard applied."""

    name: str
    value: float | None
    bound: float
    is_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The evidence about one candidate against one reference."""

    verdict: Verdict
    reason: str
    """One sentence a person understands."""
    effect: Interval | None
    """How large: the estimate with its plain 95 % interval, as if the pairs had been looked at once."""
    wall_effect: Interval | None
    """The same ratio on the clock that does not decide; None when it could not be had."""
    quality: tuple[QualityResult, ...]
    guards: tuple[GuardResult, ...]
    pairs_used: int
    pairs_invalid: int
    outcomes: Mapping[str, int]
    """Count of candidate outcomes by name."""
    is_plausible: bool
    plausibility: str
    """One sentence: the bound and how near the claim is."""
    digest: str
    """sha256 over the canonical measurements, the plan and this score; `rsi rescore` recomputes it."""
    schema: int | None = None
    """Version of the rules that made it; None before scores said so. Other rules give other digests."""
    decision: Interval | None = None
    """What the verdict was drawn from: bounds that hold over all looks together, at the level of its `confidence`."""


class Severity(StrEnum):
    """What a finding means for the gate."""

    BLOCK = "block"
    """The candidate is stopped."""
    HOLD = "hold"
    """A person must look; policy may not promote."""
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason for doubt, at one place."""

    rule: str
    severity: Severity
    file: str | None
    line: int | None
    message: str
    """One sentence."""
    source: str
    """"rules", "probe", or the reviewer's model name."""

    @property
    def place(self) -> str:
        """The file and, where it is known, the line; empty when it is about the whole change."""
        file = self.file or ""
        return file if self.line is None else f"{file}:{self.line}"

    @property
    def text(self) -> str:
        """Rule, place and message in one line."""
        return (
            f"{self.rule} {self.place}: {self.message}"
            if self.place
            else f"{self.rule}: {self.message}"
        )
