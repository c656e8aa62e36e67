"""Host side of a measurement: make an instance, run a candidate, grade what it left.

Does not: pair, time over, or judge; `evals` does.
Invariants: the candidate's sandbox holds its own files and the public part, the harness's sandbox holds
the harness, the secret and the artifact, and they are never the same one. Protected files always come
from the task, whatever the candidate did to them.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.time_slices import TimeSlot
from rsi.sandboxes.types import (
    Backend,
    ExecOutcome,
    ExecResult,
    FileEntry,
    FileTree,
    Mount,
    OnOutput,
    Sandbox,
    SandboxSpec,
)
from rsi.tasks.errors import HarnessError
from rsi.tasks.files.globs import matches
from rsi.tasks.files.trees import below, read_tree
from rsi.tasks.harness_kit.canonical import tree_digest
from rsi.tasks.harness_kit.seeds import seed_commitment
from rsi.tasks.running.harness_sandbox import harness_files, harness_spec, harness_tree, run_verb
from rsi.tasks.running.result_file import (
    MAX_RESULT_BYTES,
    RESULT_NAME,
    clocked_seconds,
    read_result,
)
from rsi.tasks.running.served import (
    LINK,
    Server,
    link_files,
    link_variables,
    serving,
    shared_folder,
)
from rsi.tasks.running.tampering import survey_run, tampering_since
from rsi.tasks.running.variables import candidate_variables
from rsi.tasks.types import (
    CandidateRun,
    Grade,
    GradeOutcome,
    Instance,
    Profile,
    RepoTestRun,
    RepoTests,
    Task,
)

_CODE, _IO = "/work/code", "/work/io"
_OUT_MARKER = ".keep"
TESTS_TAIL_BYTES = 600
"""How much of what failing tests printed last is kept."""
STARVED_SHARE, STARVED_TIMES = 0.5, 3.0
"""Tests that computed for less than this share of their time waited for the machine, and get so many times as much."""
_EMPTY = (FileEntry(path=_OUT_MARKER, content=b""),)
"""An empty folder cannot be put, so it gets this file; it is left out of what comes back."""


def make_instance(
    task: Task,
    profile: Profile,
    purpose: str,
    seed: bytes,
    backend: Backend,
    *,
    label: str = "instance",
) -> Instance:
    """Generate the instance of one seed with the task's harness.

    Args:
        task: The task.
        profile: Its size.
        purpose: "dev", "screen", "confirm" and so on; part of the instance's identity.
        seed: Instance seed, see `harness_kit.derive_instance_seed`.
        backend: Where the harness runs.
        label: Owner of the sandbox.

    Raises:
        HarnessError: The harness failed or left no instance.
    """
    arguments = ("instance", "--profile", profile.name, "--purpose", purpose)
    with backend.open(harness_spec(task, profile, label)) as sandbox:
        sandbox.put(harness_tree(task))
        run_verb(sandbox, task, profile, (*arguments, "--seed", seed.hex(), "--out", "instance"))
        public = harness_files(sandbox, task, "/work/instance/public")
        secret = harness_files(sandbox, task, "/work/instance/secret")
    return Instance(
        profile=profile.name,
        purpose=purpose,
        public=public,
        secret=secret,
        digest=tree_digest(
            [(f"public/{entry.path}", entry.content) for entry in public]
            + [(f"secret/{entry.path}", entry.content) for entry in secret]
        ),
        seed_commitment=seed_commitment(seed),
    )


def run_spec(
    task: Task,
    profile: Profile,
    training_seed: int,
    label: str,
    *,
    cpus: tuple[int, ...] | None = None,
    gpus: tuple[str, ...] = (),
) -> SandboxSpec:
    """The sandbox of one run; the arguments are those of `run_candidate`."""
    link = link_variables() if task.pattern.rules.is_linked else {}
    return SandboxSpec(
        environment=task.environment,
        limits=replace(profile.limits, cpus=cpus),
        variables=candidate_variables(profile, training_seed, gpus) | link,
        gpus=gpus,
        label=label,
    )


def run_candidate(
    task: Task,
    profile: Profile,
    tree: FileTree,
    instance: Instance,
    training_seed: int,
    backend: Backend,
    label: str,
    *,
    cpus: tuple[int, ...] | None = None,
    gpus: tuple[str, ...] = (),
    time_slot: TimeSlot | None = None,
    on_output: OnOutput | None = None,
) -> CandidateRun:
    """Run a candidate once in a fresh sandbox that holds nothing but it and the public part.

    Args:
        task: The task.
        profile: Its size and limits.
        tree: The candidate's files; protected ones are replaced by the task's.
        instance: What it runs on.
        training_seed: Told to the candidate as RSI_SEED; differs per pair.
        backend: Where it runs.
        label: Owner of the sandbox, usually a round id.
        cpus: Cores to pin to; None leaves the choice to the kernel.
        gpus: UUIDs of the GPUs passed through.
        time_slot: Run in turns with the other arm of its pair; what it left is read when both have ended.
        on_output: Called with what the run prints, as it comes.

    Raises:
        SandboxError: The sandbox itself failed, or the turns were abandoned.
    """
    spec = run_spec(task, profile, training_seed, label, cpus=cpus, gpus=gpus)
    files = (
        *below("code", with_task_files(task, tree)),
        *below("io/public", instance.public),
        *below("io/out", _EMPTY),
    )
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(shared_folder()) if task.pattern.rules.is_linked else None
        if folder is not None:
            spec = replace(spec, mounts=(Mount(source=folder, target=LINK),))
            files = (*files, *link_files())
        sandbox = stack.enter_context(backend.open(spec))
        sandbox.put(files)
        if task.candidate.build:
            built = sandbox.exec(task.candidate.build, cwd=_CODE)
            if built.outcome is not ExecOutcome.OK:
                return _unbuilt(built, sandbox, time_slot)
        given = survey_run(sandbox)
        server = None
        if folder is not None:
            wall_s = profile.limits.wall_s
            server = stack.enter_context(
                serving(task, profile, instance, backend, label, folder=folder, wall_s=wall_s)
            )
        execution = sandbox.exec(
            task.candidate.entry, cwd=_CODE, time_slot=time_slot, on_output=on_output
        )
        if time_slot is not None:
            if execution.outcome is not ExecOutcome.OK:
                time_slot.fail()
            time_slot.wait_for_others()
        output, problem = _read_output(sandbox, task, execution, server)
        tampering = ""
        if task.pattern.rules.is_clocked:
            tampering = off_the_clock(execution, output, profile)
        if execution.outcome is ExecOutcome.OK and not tampering:
            tampering = tampering_since(given, sandbox, task.candidate.writable)
        return CandidateRun(
            execution=execution,
            output=None if tampering else output,
            output_problem=tampering or problem,
            backend=sandbox.backend,
            assurance=sandbox.assurance.value,
            is_tampered=bool(tampering),
        )


CPU_SLACK = 1.15
"""Timer granularity and what the kernel does for a call on top of it."""


def off_the_clock(execution: ExecResult, output: FileTree | None, profile: Profile) -> str:
    """One sentence when a worker computed outside its calls, where the harness's clock did not see it."""
    stated = [entry.content for entry in output or () if entry.path == RESULT_NAME]
    clocked_s = clocked_seconds(stated[0]) if stated else None
    if clocked_s is None:
        return ""
    allowed_s = CPU_SLACK * clocked_s * profile.cpu_count + profile.spare_cpu_s
    if execution.cpu_s <= allowed_s:
        return ""
    return (
        f"the run worked outside its calls: {execution.cpu_s:.2f} CPU s, "
        f"{allowed_s:.2f} are possible in {clocked_s:.2f} s of calls on {profile.cpu_count} cores"
    )


def _unbuilt(built: ExecResult, sandbox: Sandbox, time_slot: TimeSlot | None) -> CandidateRun:
    """A run that ended before it began: what is wrong with the build is what it printed."""
    if time_slot is not None:
        time_slot.fail()
        time_slot.leave()
    return CandidateRun(
        execution=built,
        output=None,
        output_problem="the candidate cannot be built",
        backend=sandbox.backend,
        assurance=sandbox.assurance.value,
    )


def run_tests(
    task: Task,
    profile: Profile,
    tree: FileTree,
    backend: Backend,
    label: str,
    *,
    gpus: tuple[str, ...] = (),
) -> RepoTestRun | None:
    """Run the repo's own tests on a tree, in a fresh sandbox that holds nothing else; None where the task has none.

    Protected files are the task's, so a candidate passes the tests that its author did not write. Tests that had not ended
    because the machine gave them no time to run are given more of it, once.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    if task.tests is None:
        return None
    spec = run_spec(task, profile, 0, label, gpus=gpus)
    execution = _tested(task, task.tests, tree, backend, spec, task.tests.wall_s)
    is_late = execution.outcome is ExecOutcome.TIMEOUT
    if is_late and execution.cpu_s < STARVED_SHARE * execution.wall_s:
        execution = _tested(task, task.tests, tree, backend, spec, STARVED_TIMES * execution.wall_s)
    is_passed = execution.outcome is ExecOutcome.OK
    words = (execution.stderr or execution.stdout)[-TESTS_TAIL_BYTES:].decode("utf-8", "replace")
    said = f"{execution.outcome.value}: {words.strip()}"
    if execution.outcome is ExecOutcome.TIMEOUT:
        said = (
            f"timeout: not over after {execution.wall_s:.0f} s, of which they computed "
            f"{execution.cpu_s:.1f} s: {words.strip()}"
        )
    return RepoTestRun(is_passed=is_passed, cpu_s=execution.cpu_s, detail="" if is_passed else said)


def _tested(
    task: Task, tests: RepoTests, tree: FileTree, backend: Backend, spec: SandboxSpec, wall_s: float | None
) -> ExecResult:  # fmt: skip
    with backend.open(spec) as sandbox:
        sandbox.put(below("code", with_task_files(task, tree)))
        return sandbox.exec(tests.entry, cwd=_CODE, wall_s=wall_s)


def grade(
    task: Task,
    profile: Profile,
    instance: Instance,
    output_tree: FileTree,
    backend: Backend,
    label: str,
) -> Grade:
    """Grade one output tree in a fresh sandbox that holds the harness and the secret.

    What a served run left is the result that its harness wrote while it served; it is checked and nothing more.

    Raises:
        HarnessError: The harness failed or its result file breaks the schema.
        SandboxError: The sandbox itself failed.
    """
    if task.pattern.rules.is_linked:
        return _checked(output_tree, task, profile, instance)
    with backend.open(harness_spec(task, profile, label)) as sandbox:
        sandbox.put(
            (
                *harness_tree(task),
                *below("instance/public", instance.public),
                *below("instance/secret", instance.secret),
                *below("artifact", output_tree),
                *below("result", _EMPTY),
            )
        )
        run_verb(
            sandbox,
            task,
            profile,
            (
                task.pattern.rules.verb,
                "--instance",
                "instance",
                "--artifact",
                "artifact",
                "--result",
                f"result/{RESULT_NAME}",
            ),
        )
        files = harness_files(sandbox, task, "/work/result", max_bytes=MAX_RESULT_BYTES)
    return _checked(files, task, profile, instance)


def _checked(files: FileTree, task: Task, profile: Profile, instance: Instance) -> Grade:
    written = [entry for entry in files if entry.path == RESULT_NAME]
    if not written:
        raise HarnessError(f"the harness of task {task.name!r} exited 0 without a result file")
    return read_result(written[0].content, task, profile, instance)


def grade_of_failed_run(run: CandidateRun) -> GradeOutcome:
    """The outcome of a run that left nothing to grade."""
    if run.is_tampered:
        return GradeOutcome.TAMPERED
    match run.execution.outcome:
        case ExecOutcome.OK:
            return GradeOutcome.INVALID_OUTPUT
        case ExecOutcome.TIMEOUT:
            return GradeOutcome.TIMEOUT
        case ExecOutcome.OOM:
            return GradeOutcome.OOM
        case ExecOutcome.CRASHED | ExecOutcome.OUTPUT_LIMIT:
            return GradeOutcome.CRASHED


def run_harness_verb(
    task: Task, profile: Profile, arguments: Sequence[str], backend: Backend, label: str
) -> bytes:
    """Standard output of `describe` or `selfcheck`, in a fresh sandbox with the harness alone.

    Raises:
        HarnessError: The harness failed.
    """
    with backend.open(harness_spec(task, profile, label)) as sandbox:
        sandbox.put(harness_tree(task))
        return run_verb(sandbox, task, profile, arguments).stdout


def with_task_files(task: Task, tree: FileTree) -> FileTree:
    """The candidate's tree with every protected file as the task has it.

    Protected files that the candidate changed or removed come back; files of its own at protected
    paths, or in the way of them, are left out.
    """
    protected = task.candidate.protected
    original = [entry for entry in read_tree(task.repo) if matches(entry.path, protected)]
    own = [
        entry
        for entry in tree
        if not matches(entry.path, protected)
        and not any(_is_in_the_way(entry.path, kept.path) for kept in original)
    ]
    return tuple(sorted((*own, *original), key=lambda entry: entry.path))


def _is_in_the_way(path: str, protected: str) -> bool:
    """Whether a file here makes a folder of a protected file, or a file of a protected file's folder."""
    return path.startswith(f"{protected}/") or protected.startswith(f"{path}/")


def _read_output(
    sandbox: Sandbox, task: Task, execution: ExecResult, server: Server | None
) -> tuple[FileTree | None, str]:
    if execution.outcome is not ExecOutcome.OK:
        return None, f"the run ended as {execution.outcome.value}"
    if server is not None:
        return server.result(), ""
    rules = task.candidate
    try:
        files = sandbox.get(
            f"{_IO}/out", max_bytes=rules.max_output_bytes, max_files=rules.max_output_files
        )
    except FileTreeError as error:
        return None, f"the out folder could not be read: {error}"
    kept = tuple(entry for entry in files if entry.path != _OUT_MARKER)
    if not kept:
        return None, "the run left no file in its out folder"
    return kept, ""
