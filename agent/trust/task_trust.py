"""Whether a task's evaluator can be trusted: its noise, its reach, its headroom, and its cheats run for real.

Every number comes from runs on this machine in this sandbox; another machine has another noise.
Does not: mend anything, or judge; `trust_verdict.py` does.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rsi.agent.policy.controls import control_tree
from rsi.agent.trust.trust_verdict import (
    GOT_THROUGH,
    NoiseFacts,
    TriedCheat,
    TriedPatch,
    judge_evaluator,
)
from rsi.evals.admission.admission import admit, is_admitted
from rsi.evals.errors import MeasurementError, TooFewPairsError
from rsi.evals.judge.alpha_spending import alpha_for, attempt_alpha, stage_alpha
from rsi.evals.judge.distributions import student_t_quantile
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.judge.sequential import NOISE_FLOOR, TRIM, spent_levels
from rsi.evals.measure.floor import measure_floor
from rsi.evals.measure.machine import timing_gpus
from rsi.evals.measure.measuring import compare, measure
from rsi.evals.measure.noise import pair_noise
from rsi.evals.planted.controls import Control, ControlKind
from rsi.evals.planted.exploits import REACHED, Exploit, Layer, exploits_of
from rsi.evals.planted.lies import BaselineResult, lies_of, time_saved
from rsi.evals.types import Arm, Finding, Measurement, Outcome, Purpose, Score, Severity, Verdict
from rsi.sandboxes.types import Assurance, Backend, FileTree
from rsi.tasks.errors import HarnessError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.running.check import (
    CheckLine,
    CheckReport,
    check_task,
    patched_tree,
    run_baseline,
    says_it_recomputes,
)
from rsi.tasks.running.tampering import TAMPERING
from rsi.tasks.types import GradeOutcome, MeasurePlan, Profile, Task

AA_PAIRS = 8
POWER = 0.9
CAMPAIGN_ALPHA = 0.01
"""The default of a campaign; the smallest detectable effect is stated for it."""
CHEAT_PAIRS = 3
"""At least three pairs are needed for any support, and no cheat deserves more."""
PROBE_PAIRS = 1
"""A probe says in its first run whether it got through."""


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
        try:
            spread = pair_noise(self.task.metric, found.measurements, Purpose.COMPARE)
        except TooFewPairsError as error:
            raise MeasurementError(
                f"{self.task.name}: A/A failed: {error}; {found.score.reason}"
            ) from error
        floor_s = measure_floor(
            self.task,
            self.profile,
            self.backend,
            base,
            label="task-check",
            repeats=1,
            cache=self.lock_folder,
        )
        values = [
            run.metric_value
            for run in found.measurements
            if run.arm is Arm.CHAMPION and run.metric_value is not None
        ]
        return NoiseFacts(
            pairs=spread.pairs,
            log_ratio_sd=spread.sd,
            null_effect=found.score.effect,
            smallest_detectable=smallest_detectable(
                spread.sd, self.profile.plan, self.task.metric.minimum_effect
            ),
            floor_s=floor_s,
            times_floor=statistics.median(values) / floor_s if floor_s else None,
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
        """The task's own cheats, the generic pack and the lies, with admission and without it."""
        base = read_tree(self.task.repo)
        found = []
        for cheat in self.task.cheats:
            tree = patched_tree(self.task, cheat)
            found.append(self.try_cheat(base, tree, cheat.name, cheat.layer, cheat.expect))
        pack = (*exploits_of(self.task, base), *self.lies(base))
        found += [self.try_exploit(base, each) for each in pack]
        return tuple(found)

    def lies(self, base: FileTree) -> tuple[Exploit, ...]:
        """What the baseline left on data of its own, as cheats that hand it in; none where the harness is told nothing."""
        if self.task.pattern.rules.is_linked:
            return ()
        with timing_gpus(self.task) as gpus:
            done = run_baseline(self.task, self.profile, self.backend, gpus or (), number=0)
        if done.run.output is None or done.graded is None:
            raise MeasurementError(f"{self.task.name}: the baseline: {done.run.output_problem}")
        if done.graded.outcome is not GradeOutcome.OK:
            raise MeasurementError(f"{self.task.name}: the baseline: {done.graded.reason}")
        left = BaselineResult(output=done.run.output, quality=done.graded.quality_values)
        return lies_of(self.task, self.profile.quality, base, left)

    def try_exploit(self, base: FileTree, exploit: Exploit) -> TriedCheat:
        """Try a generic cheat; one that only has to be noticed is run only if nobody noticed it."""
        findings = admit(self.task, base, exploit.tree)
        first = _first_doubt(findings)
        if exploit.layer is Layer.ADMISSION and first is not None:
            return self._told(
                TriedCheat(
                    name=exploit.name,
                    layer=exploit.layer,
                    expect=exploit.expect,
                    ended_as="held" if is_admitted(findings) else "not_admitted",
                    stopped_by=Layer.REVIEW if is_admitted(findings) else Layer.ADMISSION,
                    reason=first.rule,
                    behind=None,
                )
            )
        return self.try_cheat(
            base,
            exploit.tree,
            exploit.name,
            exploit.layer,
            exploit.expect,
            pairs=PROBE_PAIRS if exploit.is_probe else CHEAT_PAIRS,
            no_gain=exploit.layer,
            is_generic=True,
        )

    def try_cheat(
        self,
        base: FileTree,
        tree: FileTree,
        name: str,
        layer: str,
        expect: Sequence[str],
        *,
        pairs: int = CHEAT_PAIRS,
        no_gain: Layer = Layer.MEASURING,
        is_generic: bool = False,
    ) -> TriedCheat:
        """Admit a cheat, and run it whether it was admitted or not.

        Args:
            base: The task's repo.
            tree: The repo with the cheat in it.
            name: Of the cheat.
            layer: What has to stop it.
            expect: Endings that count as caught.
            pairs: Most pairs of it.
            no_gain: The layer that an honest end without a gain is owed to.
            is_generic: Whether it is of the pack or a lie, so that the words of `layer` are the house's own.

        Raises:
            MeasurementError: The host, the harness or the baseline failed, and admission had let it in.
        """
        findings = admit(self.task, base, tree)
        first = _first_doubt(findings)
        is_refused = first is not None and not is_admitted(findings)
        behind, behind_layer, behind_reason, saved = None, None, "", None
        try:
            runs, said = self._measured(base, tree, name, cap=pairs)
        except MeasurementError as error:
            if not is_refused:
                raise
            behind_reason = f"could not be measured: {error}"
        else:
            behind, behind_layer = _ending_behind(said, no_gain)
            behind_reason = _reason_behind(said, behind_layer)
            saved = time_saved(self.task.metric, runs)
        ended, by, reason = behind or "", behind_layer, behind_reason
        if first is not None and is_refused:
            ended, by, reason = "not_admitted", Layer.ADMISSION, first.rule
        elif behind == Verdict.SUPPORTED and (first is not None or by is Layer.REVIEW):
            ended, by = "held", Layer.REVIEW
            reason = first.rule if first is not None else behind_reason
        return self._told(
            TriedCheat(
                name=name,
                layer=layer,
                expect=tuple(expect),
                ended_as=ended,
                stopped_by=by,
                reason=reason,
                behind=behind,
                behind_layer=behind_layer,
                behind_reason=behind_reason,
                is_generic=is_generic,
                time_saved=saved,
            )
        )

    def _told(self, tried: TriedCheat) -> TriedCheat:
        """One cheat's end, said as soon as it is known."""
        word = "caught" if tried.is_caught else "NOT AS NAMED"
        off = f"; without admission {tried.behind}: {tried.behind_reason}" if tried.behind else ""
        by = tried.stopped_by or "nothing"
        self.progress(f"cheat {tried.name}: {tried.ended_as} ({by}: {tried.reason}), {word}{off}")
        return tried

    def _score(self, base: FileTree, tree: FileTree, name: str) -> Score:
        return self._measured(base, tree, name)[1]

    def _measured(
        self, base: FileTree, tree: FileTree, name: str, cap: int | None = None
    ) -> tuple[Sequence[Measurement], Score]:
        """The runs of a tree against the task's repo, and what they say."""
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
        said = score(
            self.task,
            profile,
            runs,
            purpose=Purpose.CONTROL,
            alpha=stage_alpha(attempt_alpha(alpha_for(1, CAMPAIGN_ALPHA), 0)),
            source=source_facts(base, tree),
        )
        return runs, said


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
        TaskError, SandboxError: As `rsi.tasks.running.check.check_task`.
    """
    with timing_gpus(examiner.task) as gpus:
        basics = check_task(
            examiner.task, examiner.profile.name, examiner.backend, on_line, gpus=gpus or ()
        )
    if not basics.is_ok:
        broken = tuple(f"{e.name}: {e.detail}" for e in basics.lines if not e.is_ok)
        return TrustReport(
            basics=basics, noise=None, patches=(), cheats=(), problems=broken, warnings=()
        )
    noise = examiner.noise(aa_pairs)
    patches, cheats = examiner.patches(), examiner.cheats()
    try:
        said = says_it_recomputes(examiner.task, examiner.profile, examiner.backend)
    except HarnessError as error:
        raise MeasurementError(str(error)) from error
    problems, warnings = judge_evaluator(examiner.task, noise, patches, cheats, is_recomputed=said)
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


def _first_doubt(findings: Sequence[Finding]) -> Finding | None:
    """The worst finding that stops a candidate or holds it for a person; None without one."""
    return next((each for each in findings if each.severity is not Severity.NOTE), None)


def _ending_behind(said: Score, no_gain: Layer) -> tuple[str, Layer | None]:
    """How a cheat ended with admission off, and the layer that this is owed to."""
    ending = ending_of(said)
    if REACHED in said.reason:
        return GOT_THROUGH, None
    match ending:
        case Verdict.SUPPORTED:
            return ending, None if said.is_plausible else Layer.REVIEW
        case Verdict.REFUTED | Verdict.INCONCLUSIVE:
            return ending, no_gain
        case Verdict.INVALID | Outcome.OUT_OF_TURN:
            return ending, Layer.MEASURING
        case Outcome.TAMPERED if TAMPERING in said.reason:
            return ending, Layer.ISOLATION  # seen from outside, whatever it left
        case Outcome.INVALID_OUTPUT | Outcome.TAMPERED:
            return ending, Layer.GRADING
        case _:
            return ending, Layer.ISOLATION  # the sandbox ended it: its limits, its walls, a crash


def _reason_behind(said: Score, layer: Layer | None) -> str:
    if REACHED in said.reason:
        return said.reason[said.reason.index(REACHED) + len(REACHED) :].strip()
    return said.plausibility if layer is Layer.REVIEW else said.reason


def _is_expected(expect: str, said: Score) -> bool:
    if expect == "faster":
        return said.verdict is Verdict.SUPPORTED
    if expect == "crash":
        return said.verdict is Verdict.INVALID
    return said.verdict in {Verdict.REFUTED, Verdict.INCONCLUSIVE}
