"""The proposer's `measure` tool: cheap runs on public data, with seeds that no score ever uses."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.steps.development.instance import dev_seeds
from rsi.agent.run.steps.development.noise import compared
from rsi.agent.run.steps.development.profiling import profile_told, profiled
from rsi.agent.run.steps.device_time import device_time
from rsi.agent.types import DevRun, Look
from rsi.evals.measure.machine import timing_gpus, timing_machine
from rsi.evals.measure.runner import Runner, TaskRunner
from rsi.evals.measure.running import deciding_value
from rsi.evals.types import Purpose
from rsi.sandboxes.types import ExecOutcome, FileTree
from rsi.tasks.choices import Clock
from rsi.tasks.types import CandidateRun, Grade, Instance, RepoTestRun, Task

TAIL_CHARS = 2000
STOPPED = "not measured: the campaign was stopped while another one used the machine"
NO_PROFILE = "no profile: the command is no Python program; use what the shell has"


def dev_run(context: RoundContext, tree: FileTree) -> DevRun:
    """Run a tree once on the development instance of its campaign and say how it did."""
    return Looks(context, champion_tree=None).look(tree, Look(repeats=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """One run, and what the harness says of what it left."""

    run: CandidateRun
    grade: Grade | None

    def value(self, clock: Clock) -> float | None:
        """The deciding metric's value; None when it failed."""
        if self.grade is None or self.grade.outcome.value != "ok":
            return None
        return deciding_value(clock, self.run, self.grade)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lab:
    """What the runs of one look happen with, while the machine is held."""

    context: RoundContext
    runner: Runner
    instance: Instance
    chance: int
    label: str

    def run(self, task: Task, tree: FileTree) -> _Ran:
        profile = self.context.campaign.profile
        run = self.runner.run_candidate(task, profile, tree, self.instance, self.chance, self.label)
        grade = None
        if run.output is not None:
            grade = self.runner.grade(task, profile, self.instance, run.output, self.label)
        return _Ran(run=run, grade=grade)

    def test(self, tree: FileTree) -> RepoTestRun | None:
        campaign = self.context.campaign
        return self.runner.test(campaign.task, campaign.profile, tree, self.label)


@dataclass(slots=True)
class Looks:
    """The looks of one agent at its versions in one round; the champion's runs are kept and added to, so drift shows.

    Each takes its turn on the machine, so that it disturbs no timing of a campaign beside this one.
    """

    context: RoundContext
    champion_tree: FileTree | None
    """What a version is compared with; None compares with nothing."""
    _champion: list[float] = field(default_factory=list)

    def look(self, tree: FileTree, look: Look) -> DevRun:
        """Run a version as often as asked and say how it did."""
        with self._held() as lab:
            if lab is None:
                return DevRun(is_ok=False, summary=STOPPED, facts={"outcome": "stopped"})
            return self._looked(lab, tree, look)

    def _looked(self, lab: _Lab, tree: FileTree, look: Look) -> DevRun:
        task = self.context.campaign.task
        first = lab.run(task, tree)
        spent_s = first.run.execution.wall_s
        if first.grade is None or first.grade.outcome.value != "ok":
            return _failed(first, spent_s, is_long=self.champion_tree is not None)
        tested = lab.test(tree)
        runs = [first]
        missing = look.repeats if not self._champion else 1
        for number in range(max(look.repeats, missing)):
            if number:
                runs += [lab.run(task, tree)] if number < look.repeats else []
            if self.champion_tree is not None and number < missing:
                spent_s += self._run_champion(lab, self.champion_tree)
        spent_s += sum(each.run.execution.wall_s for each in runs[1:])
        parts = [_told(runs, tested)]
        values = [value for each in runs if (value := each.value(task.metric.clock)) is not None]
        if self.champion_tree is not None:
            parts += [self._spread(task, values), *_tails(first.run)]
        if look.is_profiled:
            rows, wall_s = _profile(lab, task, tree)
            parts.append(rows)
            spent_s += wall_s
        return DevRun(
            is_ok=tested is None or tested.is_passed,
            summary="\n".join(parts),
            facts=_facts(first, tested) | {"values": values, "champion": list(self._champion)},
            device_s=spent_s,
        )

    def _run_champion(self, lab: _Lab, tree: FileTree) -> float:
        task = self.context.campaign.task
        ran = lab.run(task, tree)
        if (value := ran.value(task.metric.clock)) is not None:
            self._champion.append(value)
        return ran.run.execution.wall_s

    def _spread(self, task: Task, mine: Sequence[float]) -> str:
        metric = task.metric
        lists = (", ".join(f"{each:.4g}" for each in values) for values in (mine, self._champion))
        ours, theirs = lists
        return (
            f"{metric.name} of your runs: {ours or 'none'} {metric.unit}; of the champion's in this round: "
            f"{theirs or 'none'} {metric.unit}\n{compared(mine, self._champion, metric.direction)}"
        )

    @contextmanager
    def _held(self) -> Iterator[_Lab | None]:
        """The machine, the sandboxes on their way and the instance; None when the campaign was stopped meanwhile."""
        context, campaign = self.context, self.context.campaign
        label = f"{context.round_id}/dev"
        seed, chance = dev_seeds(campaign.secret, campaign.task, campaign.record.lineage)
        # In the order of `measure`, GPU first: two campaigns must not each hold what the other waits for.
        with (
            timing_gpus(campaign.task, should_stop=campaign.steering.is_stopping) as gpus,
            timing_machine(
                should_stop=campaign.steering.is_stopping, what=f"dev of {context.round_id}"
            ) as is_held,
        ):
            if gpus is None or not is_held:
                yield None
                return
            # A step that runs again after a crash runs for real, so its charges get new names.
            charge, begun_s = f"{label}/{uuid.uuid4().hex}", context.monotonic_s()
            plain = TaskRunner(backend=campaign.backend, gpus=gpus)
            with (
                device_time(
                    campaign, context.round_id, charge, lambda: context.monotonic_s() - begun_s
                ),
                plain.ready(campaign.task, campaign.profile, chance, label, arms=1) as runner,
            ):
                instance = runner.make_instance(
                    campaign.task, campaign.profile, Purpose.DEV, seed, label
                )
                yield _Lab(
                    context=context, runner=runner, instance=instance, chance=chance, label=label
                )


def _profile(lab: _Lab, task: Task, tree: FileTree) -> tuple[str, float]:
    """What a run under the profiler printed, and the seconds that it took."""
    entry = profiled(task.candidate.entry)
    if entry is None:
        return NO_PROFILE, 0.0
    ran = lab.run(replace(task, candidate=replace(task.candidate, entry=entry)), tree)
    execution = ran.run.execution
    return profile_told(execution.stdout.decode("utf-8", "replace")), execution.wall_s


def _facts(ran: _Ran, tested: RepoTestRun | None) -> dict[str, object]:
    execution, grade = ran.run.execution, ran.grade
    facts: dict[str, object] = {
        "outcome": execution.outcome.value,
        "exit_code": execution.exit_code,
        "cpu_s": round(execution.cpu_s, 3),
        "wall_s": round(execution.wall_s, 3),
        "max_rss_bytes": execution.max_rss_bytes,
    }
    if grade is not None:
        facts |= {"grade": grade.outcome.value, "quality": dict(grade.quality_values)}
    return facts if tested is None else facts | {"tests_passed": tested.is_passed}


def _spent(run: CandidateRun) -> str:
    execution = run.execution
    peak = execution.max_rss_bytes
    memory = "" if peak is None else f", {peak / (1 << 20):.0f} MiB at most"
    return f"{execution.cpu_s:.2f} CPU-s, {execution.wall_s:.2f} s wall{memory}"


def _failed(ran: _Ran, spent_s: float, *, is_long: bool) -> DevRun:
    run, grade = ran.run, ran.grade
    if grade is not None:
        summary = f"{grade.outcome.value}: {_spent(run)}; {_qualities(grade) or grade.reason}"
        parts = [summary, *(_tails(run) if is_long else ())]
    else:
        parts = [
            f"{run.output_problem or run.execution.outcome.value} after {_spent(run)}",
            *_tails(run),
        ]
    facts = _facts(ran, None)
    return DevRun(is_ok=False, summary="\n".join(parts), facts=facts, device_s=spent_s)


def _told(runs: Sequence[_Ran], tested: RepoTestRun | None) -> str:
    first = runs[0]
    quality = "" if first.grade is None else _qualities(first.grade) or first.grade.reason
    failed = sum(each.run.execution.outcome is not ExecOutcome.OK for each in runs)
    text = f"ok: {_spent(first.run)}; {quality}"
    text += f"; {failed} of {len(runs)} runs failed" if failed else ""
    if tested is None:
        return text
    if tested.is_passed:
        return f"{text}; the repo's own tests pass"
    return f"{text}\nthe repo's own tests fail: {tested.detail}"


def _qualities(grade: Grade) -> str:
    return ", ".join(
        f"{each.name} {each.value:.4f}"
        + (f" (limit {each.limit:g})" if each.limit is not None else "")
        for each in grade.quality
        if each.value is not None
    )


def _tails(run: CandidateRun) -> tuple[str, ...]:
    """The ends of what a run printed."""
    streams = (("stdout", run.execution.stdout), ("stderr", run.execution.stderr))
    texts = (
        (name, said.decode("utf-8", "replace")[-TAIL_CHARS:].rstrip()) for name, said in streams
    )
    return tuple(f"{name} ends:\n{text}" for name, text in texts if text)
