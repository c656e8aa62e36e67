"""What task.toml may choose from: each option with its word, its meaning, and what it asks of a task or of a run."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Option(StrEnum):
    """A word that can be chosen, with what it means; help and FORMAT.md print both."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRules:
    """How a run of one pattern is carried out."""

    verb: str
    """What its harness is asked to do: `python -m harness <verb>`."""
    is_linked: bool
    """Whether candidate and harness run at the same time and speak through a socket."""
    develop_verb: str | None = None
    """What its harness is asked to do while an agent develops, so that runs in the agent's shell reach it; None where nothing
    answers there."""
    is_clocked: bool = False
    """Whether the harness times single calls, so that work between them is off the clock."""
    can_count: bool = False
    """Whether the harness sees each call of a run, and so can count what it spends."""


class Pattern(Option):
    """Who runs what, and where the score comes from: those that a run carries out."""

    rules: PatternRules

    def __new__(cls, word: str, meaning: str, rules: PatternRules) -> Self:
        member = str.__new__(cls, word)
        member._value_, member.meaning, member.rules = word, meaning, rules
        return member

    ARTIFACT = (
        "artifact",
        "the candidate leaves plain files; the harness grades them in a second sandbox afterwards",
        PatternRules(verb="grade", is_linked=False),
    )
    SERVED = (
        "served",
        "the harness answers the candidate's calls through a Unix socket, each in a sandbox of its own, and states the "
        "value (clock `result`)",
        PatternRules(verb="serve", is_linked=True, develop_verb="develop", can_count=True),
    )
    CLOCKED_WORKER = (
        "clocked_worker",
        "the harness gives a worker of the candidate's one call after the other through shared memory, checks every answer "
        "and keeps the clock (clock `result`)",
        PatternRules(verb="drive", is_linked=True, is_clocked=True),
    )


class Direction(Option):
    """Which way is better."""

    LOWER = "lower", "less is better"
    HIGHER = "higher", "more is better"


class Clock(Option):
    """Which reading decides."""

    CPU_S = "cpu_s", "CPU seconds of the whole process tree, as the host reads them"
    WALL_S = (
        "wall_s",
        "wall seconds of the run on the host, also for a GPU, which a timed run holds alone",
    )
    RESULT = "result", "no clock: the harness's result file carries the value"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """What one kind of metric asks of a task, so that its number means what the kind says."""

    clocks: tuple[Clock, ...] = tuple(Clock)
    directions: tuple[Direction, ...] = (Direction.LOWER,)
    needs_limit: bool = False
    """Every quality states a `limit` in every profile: the target."""
    needs_margin: bool = True
    """Every quality states a `margin` against the champion; where it need not, one without is held to its limit alone."""
    needs_budget: bool = False
    """Every run has a budget that the host holds it to."""
    gain: str = "faster"
    """What a candidate is whose number is better."""
    ratio: str = "speedup"
    """What one number over another is called."""


class MetricKind(Option):
    """What the number means, and so what a task of the kind has to state."""

    rules: KindRules

    def __new__(cls, word: str, meaning: str = "", rules: KindRules = KindRules()) -> Self:
        member = str.__new__(cls, word)
        member._value_, member.meaning, member.rules = word, meaning, rules
        return member

    TIME_TO_TARGET = (
        "time_to_target",
        "what a run costs that reaches the target, the `limit` of every quality; a quality without `margin` may be worse "
        "than the champion's as long as it reaches it",
        KindRules(needs_limit=True, needs_margin=False),
    )
    FIXED_WORK = (
        "fixed_work",
        "what the same work costs, at a quality that is no worse than the champion's by more than `margin`",
    )
    QUALITY_AT_BUDGET = (
        "quality_at_budget",
        "how good the result of a run is that keeps within `[rsi.budget]`; the harness states it",
        KindRules(
            clocks=(Clock.RESULT,),
            directions=tuple(Direction),
            needs_budget=True,
            gain="better",
            ratio="gain",
        ),
    )


class Start(Option):
    """What a lineage begins from."""

    EASY = "easy", "the task's own repo"
    HARD = (
        "hard",
        "the strongest of the task's solutions, so that what they show is no gain any more",
    )


class Honesty(Option):
    """Whose word the quality of a repo of somebody's own is."""

    L0 = "L0", "hearsay: the run's own word, so a person decides each promotion"
    L1 = "L1", "evaluated: the repo's own evaluation, protected, works it out from what a run left"
    L2 = "L2", "held out: the repo's own evaluation, protected, on data that no run is given"

    @property
    def text(self) -> str:
        """The word with its meaning."""
        return f"{self.value}, {self.meaning}"


class Device(Option):
    """What hardware a measurement needs."""

    CPU = "cpu", "processors alone"
    CUDA = "cuda", "an NVIDIA GPU, which a timed run holds alone"
    ANY = "any", "a GPU where there is one, else processors"
