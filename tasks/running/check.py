"""Whether a task can be used: it loads, its harness is sound, its baseline runs, its patches apply.

Does not: judge the evidence that the task gives; `evals` does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rsi.sandboxes.machine.leases import machine_lock
from rsi.sandboxes.types import Backend, FileTree
from rsi.tasks.errors import HarnessError, PatchError
from rsi.tasks.files.patches import apply_patch
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import profile_of
from rsi.tasks.harness_kit.canonical import strict_json
from rsi.tasks.running.runner import (
    grade,
    grade_of_failed_run,
    make_instance,
    run_candidate,
    run_harness_verb,
    run_tests,
)
from rsi.tasks.types import (
    CandidateRun,
    Cheat,
    Grade,
    GradeOutcome,
    Profile,
    Solution,
    Task,
)

CHECK_SEEDS = (bytes(range(32)), bytes(range(32, 64)))
"""Fixed seeds: a check is repeatable and measures nothing."""
FOLLOWS_SEED = "baseline follows the seed"
"""Name of the line that says whether two seeds gave two results."""
LABEL = "task-check"
OUTPUT_TAIL_CHARACTERS = 300
NO_TESTS = (
    "none: only what a run leaves is judged, so a candidate may drop the rest of the program or fail at other sizes; "
    "name a command in [rsi.tests]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """One thing that was checked."""

    name: str
    is_ok: bool
    detail: str
    """One sentence: what was seen, or what is wrong and where."""
    run_s: float | None = None
    """Wall seconds of the run that the line is about; None where it is about none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRun:
    """One run of the baseline, graded."""

    run: CandidateRun
    graded: Grade | None
    """None when it left nothing to grade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Everything that was checked, in order."""

    task: str
    track: str
    profile: str
    digest: str
    backend: str
    lines: tuple[CheckLine, ...]

    @property
    def run_s(self) -> float | None:
        """Wall seconds of one run of the baseline; None when it did not end well."""
        return next((line.run_s for line in self.lines if line.run_s is not None), None)

    @property
    def is_ok(self) -> bool:
        return all(line.is_ok for line in self.lines)


def check_task(
    task: Task,
    profile: str | None,
    backend: Backend,
    progress: Callable[[CheckLine], None] | None = None,
    *,
    gpus: tuple[str, ...] = (),
) -> CheckReport:
    """Check one task in one profile.

    Args:
        task: A loaded task.
        profile: Name of a profile; None takes the default.
        backend: Where harness and baseline run.
        progress: Called with each line as it is known.
        gpus: UUIDs of the GPUs that the baseline gets.

    Raises:
        TaskNotFoundError: No such profile.
        SandboxError: The sandbox itself failed.
    """
    chosen = profile_of(task, profile)
    lines = []
    for line in _lines(task, chosen, backend, gpus):
        lines.append(line)
        if progress is not None:
            progress(line)
    return CheckReport(
        task=task.name,
        track=task.track,
        profile=chosen.name,
        digest=task.digest,
        backend=backend.name,
        lines=tuple(lines),
    )


def run_baseline(
    task: Task, profile: Profile, backend: Backend, gpus: tuple[str, ...], *, number: int
) -> BaselineRun:
    """Run and grade the baseline on one of the fixed seeds.

    Args:
        task: A loaded task.
        profile: One of its profiles.
        backend: Where harness and baseline run.
        gpus: UUIDs of the GPUs that it gets.
        number: Which of `CHECK_SEEDS`.

    Raises:
        HarnessError: The harness failed.
        SandboxError: The sandbox itself failed.
    """
    instance = make_instance(task, profile, "dev", CHECK_SEEDS[number], backend, label=LABEL)
    with machine_lock(
        what=f"a check of {task.name}"
    ):  # its load would spoil what another process is timing
        run = run_candidate(
            task, profile, read_tree(task.repo), instance, number, backend, LABEL, gpus=gpus
        )
    if run.output is None:
        return BaselineRun(run=run, graded=None)
    graded = grade(task, profile, instance, run.output, backend, LABEL)
    return BaselineRun(run=run, graded=graded)


def says_it_recomputes(task: Task, profile: Profile, backend: Backend) -> bool | None:
    """Whether the harness says that it computes the quality itself; None when it does not say.

    Raises:
        HarnessError: The harness failed, or described itself in no JSON object.
        SandboxError: The sandbox itself failed.
    """
    told = run_harness_verb(task, profile, ("describe",), backend, LABEL)
    try:
        described = strict_json(told)
    except ValueError as error:
        raise HarnessError(f"{task.name}: the verb `describe` printed no JSON: {error}") from error
    said = described.get("is_recomputed") if isinstance(described, dict) else None
    return said if isinstance(said, bool) else None


def patched_tree(task: Task, entry: Solution | Cheat) -> FileTree:
    """The task's repo with a solution (after its needs) or a cheat applied.

    Raises:
        PatchError: One of the patches is unsafe or does not apply.
    """
    by_name = {solution.name: solution for solution in task.solutions}
    needs = entry.needs if isinstance(entry, Solution) else ()
    patches: list[Path] = [*(by_name[need].patch for need in needs), entry.patch]
    tree = read_tree(task.repo)
    for patch in patches:
        tree = apply_patch(tree, patch.read_bytes(), name=f"{patch.parent.name}/{patch.name}")
    return tree


def _lines(
    task: Task, profile: Profile, backend: Backend, gpus: tuple[str, ...]
) -> Iterator[CheckLine]:
    yield CheckLine(
        name="loads", is_ok=True, detail=f"track {task.track}, digest {task.digest[:12]}"
    )
    yield from _selfcheck(task, profile, backend)
    yield from _baseline(task, profile, backend, gpus)
    tested = run_tests(task, profile, read_tree(task.repo), backend, LABEL, gpus=gpus)
    if tested is None:
        yield CheckLine(name="repo's own tests", is_ok=True, detail=NO_TESTS)
    else:
        yield CheckLine(
            name="repo's own tests",
            is_ok=tested.is_passed,
            detail=tested.detail or f"pass in {tested.cpu_s:.2f} CPU s",
        )
    entries: tuple[Solution | Cheat, ...] = (*task.solutions, *task.cheats)
    for entry in entries:
        yield _patch_line(task, entry)


def _selfcheck(task: Task, profile: Profile, backend: Backend) -> Iterator[CheckLine]:
    try:
        told = run_harness_verb(
            task, profile, ("selfcheck", "--profile", profile.name), backend, LABEL
        )
        report = strict_json(told)
    except (HarnessError, ValueError) as error:
        yield CheckLine(name="harness selfcheck", is_ok=False, detail=str(error))
        return
    checks = report.get("checks") if isinstance(report, dict) else None
    if not isinstance(checks, list):
        detail = "the verb printed no list of checks"
        yield CheckLine(name="harness selfcheck", is_ok=False, detail=detail)
        return
    for check in checks:
        if not isinstance(check, dict):
            detail = f"the verb's list of checks holds {check!r:.80}, expected an object with name, ok and evidence"
            yield CheckLine(name="harness selfcheck", is_ok=False, detail=detail)
            continue
        yield CheckLine(
            name=f"harness {check.get('name')}",
            is_ok=check.get("ok") is True,
            detail=str(check.get("evidence")),
        )


def _baseline(
    task: Task, profile: Profile, backend: Backend, gpus: tuple[str, ...]
) -> Iterator[CheckLine]:
    """The baseline on two seeds: what it does on one, and whether the other made a difference."""
    name = "baseline runs"
    try:
        first = run_baseline(task, profile, backend, gpus, number=0)
        line = _baseline_line(name, profile, first)
        yield line
        if line.is_ok:
            second = run_baseline(task, profile, backend, gpus, number=1)
            yield _seed_line(profile, first, second)
    except HarnessError as error:
        yield CheckLine(name=name, is_ok=False, detail=str(error))


def _baseline_line(name: str, profile: Profile, done: BaselineRun) -> CheckLine:
    run, graded = done.run, done.graded
    if graded is None:
        words = (run.execution.stderr or run.execution.stdout).decode("utf-8", "replace")
        problem = run.output_problem
        if run.is_tampered:
            problem += "; what it writes in its own folder belongs into `writable` of task.toml"
        outcome = grade_of_failed_run(run)
        detail = f"{outcome.value}: {problem}; {words.strip()[-OUTPUT_TAIL_CHARACTERS:]}"
        return CheckLine(name=name, is_ok=False, detail=detail)
    broken = [entry.name for entry in graded.quality if entry.is_ok is False]
    broken += [guard.name for guard in graded.guards if not guard.is_ok]
    values = ", ".join(f"{key} {value:.4g}" for key, value in graded.quality_values.items())
    seen = f"{run.execution.cpu_s:.2f} CPU s, {run.execution.wall_s:.2f} wall s, {values}"
    if profile.budget is not None and (overspent := profile.budget.overspent(run.execution)):
        return CheckLine(name=name, is_ok=False, detail=f"over its budget: {overspent}; {seen}")
    if graded.outcome is not GradeOutcome.OK:
        detail = f"graded {graded.outcome.value}: {graded.reason}"
        return CheckLine(name=name, is_ok=False, detail=detail)
    if broken:
        return CheckLine(name=name, is_ok=False, detail=f"{', '.join(broken)} not kept; {seen}")
    return CheckLine(name=name, is_ok=True, detail=seen, run_s=run.execution.wall_s)


def _seed_line(profile: Profile, first: BaselineRun, second: BaselineRun) -> CheckLine:
    """Whether another seed made another result; where it does not, the result could be carried in the source."""
    same = ""
    if second.graded is None or first.graded is None:
        problem = second.run.output_problem
        return CheckLine(name=FOLLOWS_SEED, is_ok=False, detail=f"another seed: {problem}")
    if first.run.output == second.run.output:
        same = "what came back is the same byte for byte"
    for name, value in first.graded.quality_values.items():
        # A whole number may be a count, which is the same for good reasons.
        if not same and value == second.graded.quality_values.get(name) and value % 1:
            same = f"{name} is {value!r} both times"
    if not same:
        return CheckLine(name=FOLLOWS_SEED, is_ok=True, detail="two seeds, two results")
    detail = (
        f"two seeds, one result: {same}, so a candidate can bring it along; let harness/handout.py "
        'draw fresh data from the seed, and keep claim = "none" until then'
    )
    return CheckLine(name=FOLLOWS_SEED, is_ok=profile.claim == "none", detail=detail)


def _patch_line(task: Task, entry: Solution | Cheat) -> CheckLine:
    kind = "solution" if isinstance(entry, Solution) else "cheat"
    name = f"{kind} {entry.name} applies"
    try:
        before, after = read_tree(task.repo), patched_tree(task, entry)
    except PatchError as error:
        return CheckLine(name=name, is_ok=False, detail=str(error))
    n_changed = len({file.path for file in set(before) ^ set(after)})
    return CheckLine(name=name, is_ok=n_changed > 0, detail=f"{n_changed} files changed")
