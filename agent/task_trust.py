"""Whether a task's evaluator can be trusted: its noise, its reach, its headroom, and its cheats run for real.

Every number comes from runs on this machine in this sandbox; another machine has another noise.
Does not: mend anything. Invariant: the verdict is a function of the measured parts, and names what to fix first.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rsi.agent.controls import control_tree
from rsi.agent.exploit_pack import NOTICED, exploits_of
from rsi.evals.admission import admit, is_admitted
from rsi.evals.budget import alpha_for, attempt_alpha, stage_alpha
from rsi.evals.controls import Control, ControlKind
from rsi.evals.distributions import student_t_quantile
from rsi.evals.errors import MeasurementError
from rsi.evals.floor import measure_floor
from rsi.evals.guards import source_facts
from rsi.evals.measuring import compare, measure
from rsi.evals.pairing import sort_runs
from rsi.evals.score import score
from rsi.evals.sequential import NOISE_FLOOR, TRIM, log_ratio, spent_levels
from rsi.evals.types import Interval, Outcome, Purpose, Score, Severity, Verdict
from rsi.sandboxes.types import Assurance, Backend, FileTree
from rsi.tasks.check import CheckLine, CheckReport, check_task, patched_tree
from rsi.tasks.trees import read_tree
from rsi.tasks.types import Direction, MeasurePlan, Profile, Task

AA_PAIRS = 8
POWER = 0.9
CAMPAIGN_ALPHA = 0.01
"""The default of a campaign; the smallest detectable effect is stated for it."""
PACK = "pack"
CHEAT_PAIRS = 3
"""At least three pairs are needed for any support, and no cheat deserves more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFacts:
    """The same code against itself."""

    pairs: int
    log_ratio_sd: float
    """Standard deviation of the log ratio of one pair."""
    null_effect: Interval | None
    """Interval of a ratio that is 1 by construction."""
    smallest_detectable: float
    """Relative gain that both stages see at the cap with a chance of 0.9; 0.05 means 5 percent."""
    floor_s: float | None
    """Seconds of a run that does nothing; None where the host's clock does not decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedPatch:
    """One reference solution, measured against the baseline."""

    name: str
    expect: str
    verdict: str
    effect: Interval | None
    is_as_expected: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedCheat:
    """One cheat, sent through admission and, admitted or not, run for real."""

    name: str
    layer: str
    """The defence that the task names for it; PACK for a generic one."""
    expect: tuple[str, ...]
    ended_as: str
    """Outcome with every layer on."""
    stopped_by: str
    """The layer that stopped it, with its words."""
    behind: str | None
    """Outcome with admission off; None when it was not run."""
    behind_reason: str = ""
    """Why it ended so with admission off."""

    @property
    def is_caught(self) -> bool:
        return self.ended_as in self.expect


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustReport:
    """Everything that was measured, and what follows."""

    basics: CheckReport
    noise: NoiseFacts | None
    """None when the baseline could not be measured."""
    patches: tuple[TriedPatch, ...]
    cheats: tuple[TriedCheat, ...]
    problems: tuple[str, ...]
    """To be fixed first, worst first; empty means that this evaluator can be trusted."""
    warnings: tuple[str, ...]

    @property
    def is_trusted(self) -> bool:
        return not self.problems

    @property
    def headroom(self) -> TriedPatch | None:
        """The largest gain that a reference solution reached; None when none was measured."""
        gains = [each for each in self.patches if each.verdict == "supported" and each.effect]
        return max(gains, key=lambda each: each.effect.low if each.effect else 0.0, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """What every measurement of one examination shares."""

    task: Task
    profile: Profile
    backend: Backend
    secret: bytes
    """At least 16 bytes; the seeds of all runs derive from it."""
    progress: Callable[[str], None]
    lock_folder: Path | None = None
    """Where the machine-wide lock of measuring is; None takes the cache's."""

    def noise(self, pairs: int = AA_PAIRS) -> NoiseFacts:
        """Measure the baseline against itself with one comment line more.

        Raises:
            MeasurementError: The host, the harness or the baseline failed.
        """
        base = read_tree(self.task.repo)
        null = control_tree(self.task, _NULL, base)
        plan = replace(
            self.profile.plan, min_pairs=pairs, max_pairs=max(pairs, self.profile.plan.max_pairs)
        )
        found = compare(
            self.task,
            replace(self.profile, plan=plan),
            self.backend,
            base,
            null,
            campaign_secret=self.secret,
            lineage="task-check",
            round_id="aa",
            on_measurement=lambda run: self.progress(f"A/A pair {run.pair + 1}: {run.arm.value}"),
            cache=self.lock_folder,
        )
        is_lower = self.task.metric.direction is Direction.LOWER
        ratios = [
            log_ratio(left.metric_value, right.metric_value, is_lower_better=is_lower)
            for left, right in sort_runs(self.task.metric, found.measurements, Purpose.AUDIT).valid
            if left.metric_value and right.metric_value
        ]
        if len(ratios) < 2:
            raise MeasurementError(
                f"{self.task.name}: A/A gave {len(ratios)} pairs: {found.score.reason}"
            )
        sd = statistics.stdev(ratios)
        return NoiseFacts(
            pairs=len(ratios),
            log_ratio_sd=sd,
            null_effect=found.score.effect,
            smallest_detectable=smallest_detectable(
                sd, self.profile.plan, self.task.metric.minimum_effect
            ),
            floor_s=measure_floor(
                self.task, self.profile, self.backend, base, label="task-check", repeats=1
            ),
        )

    def patches(self) -> tuple[TriedPatch, ...]:
        """Measure every reference solution against the baseline, with its needs applied."""
        base = read_tree(self.task.repo)
        found = []
        for entry in self.task.solutions:
            said = self._score(base, patched_tree(self.task, entry), entry.name)
            tried = TriedPatch(
                name=entry.name,
                expect=entry.expect,
                verdict=said.verdict.value,
                effect=said.effect,
                is_as_expected=_is_expected(entry.expect, said),
                reason=said.reason,
            )
            self.progress(f"solution {entry.name}: {tried.verdict}, {tried.reason}")
            found.append(tried)
        return tuple(found)

    def cheats(self) -> tuple[TriedCheat, ...]:
        """The task's own cheats and the generic pack, with admission and without it."""
        base = read_tree(self.task.repo)
        found = []
        for cheat in self.task.cheats:
            tree = patched_tree(self.task, cheat)
            found.append(self.try_cheat(base, tree, cheat.name, cheat.layer, cheat.expect))
        found += [
            self.try_cheat(base, each.tree, each.name, PACK, each.expect)
            for each in exploits_of(self.task, base)
        ]
        return tuple(found)

    def try_cheat(
        self, base: FileTree, tree: FileTree, name: str, layer: str, expect: Sequence[str]
    ) -> TriedCheat:
        """Admit a cheat, and run it whether it was admitted or not; a generic one only if nobody noticed it."""
        findings = admit(self.task, base, tree)
        first = next((each for each in findings if each.severity is not Severity.NOTE), None)
        if tuple(expect) == NOTICED and first is not None:
            # It changes nothing by itself: once someone is told of it, a run says no more.
            ended = "held" if is_admitted(findings) else "not_admitted"
            return self._tried(name, layer, expect, ended, f"admission: {first.rule}")
        is_refused = first is not None and not is_admitted(findings)
        try:
            said = self._score(base, tree, name, cap=CHEAT_PAIRS)
        except MeasurementError as error:
            if first is None or not is_refused:
                raise
            self.progress(f"cheat {name}: could not be measured with admission off: {error}")
            return self._tried(name, layer, expect, "not_admitted", f"admission: {first.rule}")
        behind = ending_of(said)
        if first is not None and is_refused:
            ended, by = "not_admitted", f"admission: {first.rule}"
        elif behind == "supported" and first is not None:
            ended, by = "held", f"a person: {first.rule}"
        elif behind == "supported" and not said.is_plausible:
            ended, by = "held", f"a person: {said.plausibility}"
        else:
            ended, by = behind, said.reason
        return self._tried(name, layer, expect, ended, by, said)

    def _tried(
        self,
        name: str,
        layer: str,
        expect: Sequence[str],
        ended: str,
        by: str,
        behind: Score | None = None,
    ) -> TriedCheat:
        """One cheat's end, told as soon as it is known; `behind` is its score with admission off."""
        tried = TriedCheat(
            name=name,
            layer=layer,
            expect=tuple(expect),
            ended_as=ended,
            stopped_by=by,
            behind=None if behind is None else ending_of(behind),
            behind_reason="" if behind is None else behind.reason,
        )
        word = "caught" if tried.is_caught else "NOT AS NAMED"
        off = "" if behind is None else f"; without admission {tried.behind}: {behind.reason}"
        self.progress(f"cheat {name}: {ended} ({by}), {word}{off}")
        return tried

    def _score(self, base: FileTree, tree: FileTree, name: str, cap: int | None = None) -> Score:
        plan = self.profile.plan
        if cap is not None:
            plan = replace(plan, min_pairs=min(plan.min_pairs, cap), max_pairs=cap)
        profile = replace(self.profile, plan=plan)
        runs = measure(
            self.task,
            profile,
            self.backend,
            base,
            tree,
            purpose=Purpose.CONTROL,
            campaign_secret=self.secret,
            lineage="task-check",
            round_id=f"try-{name}",
            alpha=stage_alpha(attempt_alpha(alpha_for(1, CAMPAIGN_ALPHA), 0)),
            cache=self.lock_folder,
        )
        return score(
            self.task,
            profile,
            runs,
            purpose=Purpose.CONTROL,
            alpha=stage_alpha(attempt_alpha(alpha_for(1, CAMPAIGN_ALPHA), 0)),
            source=source_facts(base, tree),
        )


_NULL = Control(kind=ControlKind.NULL, name="null", patch=None, expect=())


def examine(
    examiner: Examiner,
    *,
    aa_pairs: int = AA_PAIRS,
    on_line: Callable[[CheckLine], None] | None = None,
) -> TrustReport:
    """The whole examination; when the basics fail, nothing is measured on top of them.

    Raises:
        MeasurementError: The host, the harness or the baseline failed.
        TaskError, SandboxError: As `rsi.tasks.check.check_task`.
    """
    basics = check_task(examiner.task, examiner.profile.name, examiner.backend, on_line)
    if not basics.is_ok:
        broken = tuple(f"{e.name}: {e.detail}" for e in basics.lines if not e.is_ok)
        return TrustReport(
            basics=basics, noise=None, patches=(), cheats=(), problems=broken, warnings=()
        )
    noise = examiner.noise(aa_pairs)
    patches, cheats = examiner.patches(), examiner.cheats()
    problems, warnings = judge_evaluator(examiner.task, noise, patches, cheats)
    if examiner.backend.assurance is Assurance.NONE:
        warnings = (
            *warnings,
            f"the {examiner.backend.name} backend has no walls: check again in one that has",
        )
    return TrustReport(
        basics=basics,
        noise=noise,
        patches=patches,
        cheats=cheats,
        problems=problems,
        warnings=warnings,
    )


def judge_evaluator(
    task: Task,
    noise: NoiseFacts,
    patches: Sequence[TriedPatch],
    cheats: Sequence[TriedCheat],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(problems, warnings) that follow from what was measured, worst first."""
    least = task.metric.minimum_effect
    problems = [
        f"cheat {each.name} WINS: nothing stopped it; the layer it names is {each.layer!r}"
        for each in cheats
        if each.ended_as == "supported"
    ]
    null = noise.null_effect
    if null is not None and (null.low > 1 + least or null.high < 1 / (1 + least)):
        problems.append(
            f"the same code against itself measures {null.estimate:.3f}x [{null.low:.3f}, {null.high:.3f}]: "
            "the two arms are not treated alike"
        )
    problems += [
        f"{each.name} is expected {each.expect} and was supported: the evaluator promotes it"
        for each in patches
        if each.expect != "faster" and each.verdict == "supported"
    ]
    gains = [each for each in patches if each.expect == "faster"]
    if gains and not any(each.verdict == "supported" for each in gains):
        problems.append(
            "none of its known gains is found: more pairs, a longer run or a quieter machine is needed"
        )
    problems += [
        f"cheat {each.name} ended as {each.ended_as}, expected {' or '.join(each.expect)}"
        for each in cheats
        if not each.is_caught and each.ended_as != "supported"
    ]
    return tuple(problems), tuple(_warnings(task, noise, patches, cheats))


def smallest_detectable(
    log_ratio_sd: float, plan: MeasurePlan, minimum_effect: float, power: float = POWER
) -> float:
    """Relative gain that screen and confirmation both support at the cap with this chance.

    Args:
        log_ratio_sd: Of one pair.
        plan: Pairs.
        minimum_effect: The bound that a gain has to clear.
        power: Chance of both stages together.
    """
    alpha = stage_alpha(attempt_alpha(alpha_for(1, CAMPAIGN_ALPHA), 0))
    pairs, level = spent_levels(plan.min_pairs, max(plan.max_pairs, plan.min_pairs), alpha)[-1]
    df = max(1, pairs - 2 * int(TRIM * pairs) - 1)
    error = max(log_ratio_sd, NOISE_FLOOR) / math.sqrt(pairs)
    missed = (1 - power) / 2
    reach = student_t_quantile(level, df) + student_t_quantile(missed, df)
    return math.expm1(math.log1p(minimum_effect) + reach * error)


def ending_of(said: Score) -> str:
    """The word of a round that ended with this score: the outcome's own when every run failed alike."""
    if said.verdict is not Verdict.INVALID:
        return said.verdict.value
    failed = [name for name in said.outcomes if name != Outcome.OK]
    return failed[0] if len(failed) == 1 and len(said.outcomes) == 1 else said.verdict.value


def _is_expected(expect: str, said: Score) -> bool:
    if expect == "faster":
        return said.verdict is Verdict.SUPPORTED
    if expect == "crash":
        return said.verdict is Verdict.INVALID
    return said.verdict in {Verdict.REFUTED, Verdict.INCONCLUSIVE}


def _warnings(
    task: Task,
    noise: NoiseFacts,
    patches: Sequence[TriedPatch],
    cheats: Sequence[TriedCheat],
) -> list[str]:
    least = task.metric.minimum_effect
    found = []
    if noise.smallest_detectable > 2 * least + NOISE_FLOOR:
        found.append(
            f"gains below {noise.smallest_detectable:.1%} are often missed, though {least:.1%} counts: "
            "raise max_pairs or lengthen the run"
        )
    null = noise.null_effect
    if null is not None and not null.low <= 1 <= null.high:
        found.append(
            f"the interval of the same code against itself, {null.low:.3f} to {null.high:.3f}, misses 1"
        )
    found += [
        f"{each.name} is expected {each.expect} and ended as {each.verdict}: {each.reason}"
        for each in patches
        if not each.is_as_expected and each.verdict != "supported"
    ]
    found += [
        f"cheat {each.name} is stopped by admission alone: behind it the evidence supports it"
        for each in cheats
        if each.behind == "supported" and each.ended_as != "supported"
    ]
    if not task.cheats:
        found.append("the task ships no cheats of its own: only generic ones were tried")
    if not any(each.expect == "faster" for each in patches):
        found.append("the task ships no known gain: nothing proves that one would be found")
    return found
