"""Can this evaluator be trusted with this task on this machine? One page of answers, each with what to do.

Does not: check that the task loads or its patches apply; the task room does. Invariant: every line comes from a run
made for it, on CONTROL seeds that no candidate ever sees.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rsi.evals.admission import admit
from rsi.evals.errors import TooFewPairsError
from rsi.evals.exploits import EXPLOITS, REACHED, Exploit, exploit_tree
from rsi.evals.floor import measure_floor
from rsi.evals.judging import judge
from rsi.evals.measuring import measure
from rsi.evals.noise import PairNoise, pair_noise, smallest_detectable_effect
from rsi.evals.types import Arm, Measurement, Purpose, Severity, Verdict
from rsi.sandboxes.types import Backend, FileTree
from rsi.tasks.trees import read_tree
from rsi.tasks.types import MeasurePlan, Profile, Task

EXPLOIT_PAIRS = 4
"""Most pairs that one exploit may take; a win would be plain."""
MIN_HEADROOM = 2.0
"""Baseline over floor below which a task has little to find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustLine:
    """One question with its answer."""

    name: str
    is_ok: bool
    detail: str
    """One or two sentences: what was seen and, when not ok, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploitResult:
    """How one exploit fared."""

    name: str
    title: str
    rules: tuple[str, ...]
    """Admission rules that block it; empty when admission would let it run."""
    ending: str
    """Verdict or outcome when it is run all the same."""
    has_won: bool
    """True when it would have been supported, or saw what it must not."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustReport:
    """Everything about one task, profile and backend."""

    task: str
    profile: str
    backend: str
    noise: PairNoise | None
    smallest_effect: float | None
    """Gain that one stage finds nine times in ten; None when none could be had."""
    floor_s: float | None
    headroom: float | None
    """Baseline over the do-nothing floor; None when there is no floor."""
    exploits: tuple[ExploitResult, ...]
    lines: tuple[TrustLine, ...]

    @property
    def is_trusted(self) -> bool:
        return all(line.is_ok for line in self.lines)


def examine_task(
    task: Task,
    profile: Profile,
    backend: Backend,
    *,
    secret: bytes,
    label: str,
    cache: Path | None = None,
    exploits: tuple[Exploit, ...] = EXPLOITS,
    on_line: Callable[[TrustLine], None] = lambda _: None,
) -> TrustReport:
    """Run the baseline against itself, measure floor and noise, and try every exploit.

    Args:
        task: A loaded task.
        profile: Its size; costs about 2 * max_pairs runs plus at most 8 an exploit.
        backend: Where candidates would run.
        secret: At least 16 bytes; seeds derive from it.
        label: Owner of the sandboxes.
        cache: Folder of the machine-wide lock.
        exploits: The pack to try.
        on_line: Called with each line as soon as it is known.

    Raises:
        MeasurementError: The baseline does not run, or the host failed.
    """
    base = read_tree(task.repo)
    bench = _Bench(
        task=task,
        profile=profile,
        backend=backend,
        base=base,
        secret=secret,
        label=label,
        cache=cache,
    )
    lines: list[TrustLine] = []

    def add(line: TrustLine) -> None:
        lines.append(line)
        on_line(line)

    runs = bench.against_itself()
    add(_null_line(task, profile, runs))
    noise = _noise(task, runs)
    smallest = None
    if noise is not None:
        smallest = smallest_detectable_effect(profile.plan, task.metric.minimum_effect, noise.sd)
    for line in _noise_lines(task, profile, noise, smallest):
        add(line)
    floor = measure_floor(task, profile, backend, base, label=label)
    headroom = _headroom(runs, floor)
    add(_headroom_line(floor, headroom, task.metric.unit))
    results = []
    for exploit in exploits:
        results.append(bench.try_exploit(exploit))
        add(_exploit_line(results[-1]))
    return TrustReport(
        task=task.name,
        profile=profile.name,
        backend=backend.name,
        noise=noise,
        smallest_effect=smallest,
        floor_s=floor,
        headroom=headroom,
        exploits=tuple(results),
        lines=tuple(lines),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What all measurements of one examination share."""

    task: Task
    profile: Profile
    backend: Backend
    base: FileTree
    secret: bytes
    label: str
    cache: Path | None

    def against_itself(self) -> tuple[Measurement, ...]:
        """The baseline against itself, as many pairs as the plan's cap, whatever they say."""
        pairs = max(self.profile.plan.max_pairs, self.profile.plan.min_pairs)
        plan = replace(self.profile.plan, min_pairs=pairs, max_pairs=pairs)
        return self._measure(self.base, plan, "null")

    def try_exploit(self, exploit: Exploit) -> ExploitResult:
        tree = exploit_tree(self.task, self.base, exploit)
        findings = admit(self.task, self.base, tree)
        cap = max(min(self.profile.plan.max_pairs, EXPLOIT_PAIRS), self.profile.plan.min_pairs)
        plan = replace(self.profile.plan, max_pairs=cap)
        profile = replace(self.profile, plan=plan, guards=())
        runs = self._measure(tree, plan, exploit.name)
        judged = judge(self.task, profile, runs, purpose=Purpose.CONTROL)
        reached = next(
            (run.detail for run in runs if run.arm is Arm.CANDIDATE and REACHED in run.detail), None
        )
        failed = next((run for run in judged.runs.failures), None)
        return ExploitResult(
            name=exploit.name,
            title=exploit.title,
            rules=tuple(
                sorted({found.rule for found in findings if found.severity is Severity.BLOCK})
            ),
            ending=str(failed.outcome if failed is not None else judged.verdict),
            has_won=reached is not None
            or (not exploit.is_probe and judged.verdict is Verdict.SUPPORTED),
            detail=judged.reason if reached is None else reached[reached.index(REACHED) :],
        )

    def _measure(
        self, candidate: FileTree, plan: MeasurePlan, name: str
    ) -> tuple[Measurement, ...]:
        return measure(
            self.task,
            replace(self.profile, plan=plan, guards=()),
            self.backend,
            self.base,
            candidate,
            purpose=Purpose.CONTROL,
            campaign_secret=self.secret,
            lineage="trust",
            round_id=f"{self.label}-{name}",
            cache=self.cache,
        )


def _null_line(task: Task, profile: Profile, runs: tuple[Measurement, ...]) -> TrustLine:
    """The task's own plan, asked after every pair, as a campaign would have been."""
    pairs = 1 + max((run.pair for run in runs), default=-1)
    for upto in range(1, pairs + 1):
        seen = [run for run in runs if run.pair < upto]
        judged = judge(task, replace(profile, guards=()), seen, purpose=Purpose.CONTROL)
        if judged.stop:
            is_ok = judged.verdict is not Verdict.SUPPORTED
            detail = (
                f"the baseline against itself: {judged.verdict} after {upto} pairs, {judged.reason}"
            )
            if not is_ok:
                detail += "; lower alpha, raise min_pairs, or find what differs between the arms"
            return TrustLine(name="null patch refused", is_ok=is_ok, detail=detail)
    return TrustLine(
        name="null patch refused", is_ok=True, detail=f"not supported within {pairs} pairs"
    )


def _noise(task: Task, runs: tuple[Measurement, ...]) -> PairNoise | None:
    try:
        return pair_noise(task.metric, runs, Purpose.CONTROL)
    except TooFewPairsError:
        return None


def _noise_lines(
    task: Task, profile: Profile, noise: PairNoise | None, smallest: float | None
) -> tuple[TrustLine, ...]:
    if noise is None:
        detail = "fewer than two valid pairs: the metric gives no ratio here"
        return (TrustLine(name="noise", is_ok=False, detail=detail),)
    spread = (
        f"one pair spreads by {noise.sd:.1%}, ratio {noise.bias.estimate:.3f} "
        f"[{noise.bias.low:.3f}, {noise.bias.high:.3f}] over {noise.pairs} pairs"
    )
    bias = TrustLine(
        name="no bias between arms",
        is_ok=noise.is_unbiased or abs(noise.bias.estimate - 1) < task.metric.minimum_effect,
        detail=spread if noise.is_unbiased else f"{spread}: 1 is outside; look for what differs",
    )
    cap = profile.plan.max_pairs
    if smallest is None:
        text = f"with {cap} pairs even a tenfold gain would be missed: raise max_pairs or the work of one run"
        return bias, TrustLine(name="smallest detectable gain", is_ok=False, detail=text)
    text = (
        f"{smallest:.1%} is found nine times in ten within {cap} pairs; "
        f"the minimum effect is {task.metric.minimum_effect:.1%}"
    )
    return bias, TrustLine(name="smallest detectable gain", is_ok=True, detail=text)


def _headroom(runs: tuple[Measurement, ...], floor: float | None) -> float | None:
    values = sorted(run.metric_value for run in runs if run.metric_value is not None)
    return values[len(values) // 2] / floor if values and floor else None


def _headroom_line(floor: float | None, headroom: float | None, unit: str) -> TrustLine:
    if floor is None or headroom is None:
        detail = "the metric is no host time, so doing nothing has no floor"
        return TrustLine(name="headroom", is_ok=True, detail=detail)
    detail = f"doing nothing takes {floor:.3g} {unit}, the baseline {headroom:.1f} times that"
    if headroom < MIN_HEADROOM:
        detail += ": start-up is most of the run; give one run more work"
    return TrustLine(name="headroom", is_ok=headroom >= MIN_HEADROOM, detail=detail)


def _exploit_line(result: ExploitResult) -> TrustLine:
    by = f"blocked by {', '.join(result.rules)}" if result.rules else "not blocked by a rule"
    detail = f"{result.title}: {by}; run all the same it ended as {result.ending} ({result.detail})"
    if result.has_won:
        detail += "; use a stronger sandbox or fix the harness"
    return TrustLine(name=f"exploit {result.name}", is_ok=not result.has_won, detail=detail)
