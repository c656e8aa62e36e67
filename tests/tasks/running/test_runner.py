"""The artifact pattern on real sandboxes: who sees what, and whose fault is whose."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import Backend, ExecOutcome, FileEntry, FileTree
from rsi.tasks.errors import HarnessError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task, profile_of
from rsi.tasks.harness_kit import derive_instance_seed
from rsi.tasks.running.check import CheckReport, check_task, patched_tree
from rsi.tasks.running.runner import (
    grade,
    grade_of_failed_run,
    make_instance,
    run_candidate,
    with_task_files,
)
from rsi.tasks.types import CandidateRun, GradeOutcome, Instance, Task

pytestmark = pytest.mark.slow

TASK = load_task("toy")
PROFILE = profile_of(TASK)
SEED = derive_instance_seed(
    bytes(16), task="toy", lineage="t", round_id="r", pair=0, purpose="screen"
)


def available(backend: Backend) -> bool:
    return backend.availability().is_available


@pytest.fixture(scope="module", params=["process", "bubblewrap"])
def backend(request: pytest.FixtureRequest) -> Backend:
    chosen: Backend = ProcessBackend() if request.param == "process" else BubblewrapBackend()
    if not available(chosen):
        pytest.skip(chosen.availability().reason)
    return chosen


@pytest.fixture(scope="module")
def one_backend() -> Backend:
    """The strongest wall that is here; for tests about the runner rather than the wall."""
    strongest = BubblewrapBackend()
    return strongest if available(strongest) else ProcessBackend()


@pytest.fixture(scope="module")
def one_instance(one_backend: Backend) -> Instance:
    return make_instance(TASK, PROFILE, "screen", SEED, one_backend)


@pytest.fixture(scope="module")
def baseline(one_backend: Backend, one_instance: Instance) -> CandidateRun:
    return run(read_tree(TASK.repo), one_instance, one_backend)


@pytest.fixture(scope="module")
def instance(backend: Backend) -> Instance:
    return make_instance(TASK, PROFILE, "screen", SEED, backend)


def candidate(fit: str, *, run: str | None = None) -> FileTree:
    """The toy repo with another bigram/fit.py, and another run.py if given."""
    changed = {"bigram/fit.py": fit} | ({} if run is None else {"run.py": run})
    return tuple(
        replace(entry, content=changed[entry.path].encode()) if entry.path in changed else entry
        for entry in read_tree(TASK.repo)
    )


def run(tree: FileTree, instance: Instance, backend: Backend, task: Task = TASK) -> CandidateRun:
    return run_candidate(task, profile_of(task), tree, instance, 7, backend, "test-runner")


LOOK_AROUND = """
import json, os, sys
from pathlib import Path
def fit(text):
    seen = {
        "variables": dict(os.environ),
        "files": sorted(str(p) for p in Path(os.environ["RSI_IO"]).parent.rglob("*") if p.is_file()),
        "modules": [m for m in ("rsi", "harness", "harness_kit") if m in sys.modules],
        "cwd": os.getcwd(),
        "io": os.environ["RSI_IO"],
        "arguments": sys.argv,
    }
    (Path(os.environ["RSI_IO"]) / "out" / "seen.json").write_text(json.dumps(seen))
    return {}
"""


def test_the_baseline_runs_and_is_graded_ok(backend: Backend, instance: Instance):
    done = run(read_tree(TASK.repo), instance, backend)
    assert done.execution.outcome is ExecOutcome.OK, done.execution.stderr
    assert done.output is not None
    assert [entry.path for entry in done.output] == ["model.json"]
    assert 0.05 < done.execution.cpu_s < 5
    graded = grade(TASK, PROFILE, instance, done.output, backend, "test-runner")
    assert graded.outcome is GradeOutcome.OK
    assert graded.metric_value is None, "the host's clock decides"
    assert 0 < graded.quality_values["excess_bpb"] < 0.02
    assert graded.quality[0].is_ok is True
    assert [(guard.name, guard.is_ok) for guard in graded.guards] == [("beats_oracle", True)]
    assert graded.result["seed_commitment"] == instance.seed_commitment


def test_a_candidate_sees_its_files_the_public_part_and_nothing_else(
    backend: Backend, instance: Instance
):
    done = run(candidate(LOOK_AROUND), instance, backend)
    assert done.output is not None, done.execution.stderr
    seen = json.loads({entry.path: entry.content for entry in done.output}["seen.json"])
    base = seen["io"].removesuffix("/io")
    assert [path.removeprefix(base) for path in seen["files"]] == [
        "/code/PUBLIC.md",
        "/code/bigram/__init__.py",
        "/code/bigram/count.py",
        "/code/bigram/fit.py",
        "/code/bigram/loss.py",
        "/code/run.py",
        "/io/out/.keep",
        "/io/public/train.txt",
    ]
    assert seen["cwd"] == f"{base}/code"
    assert seen["modules"] == []
    variables = seen["variables"]
    told = {name: value for name, value in variables.items() if name.startswith("RSI_")}
    assert told == {
        "RSI_IO": seen["io"],
        "RSI_PROFILE": "smoke",
        "RSI_BUDGET_JSON": "null",
        "RSI_SEED": "7",
        "RSI_DEVICE": "cpu",
    }
    assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "1"
    assert variables["OMP_WAIT_POLICY"] == "PASSIVE"
    assert variables["PYTHONHASHSEED"] == variables["RSI_SEED"]
    fixed = {"PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY",
             "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "LC_CTYPE", "PWD", "SHLVL", "_"}  # fmt: skip
    assert set(variables) - set(told) <= fixed
    secret = [entry.content.hex() for entry in instance.secret]
    assert all(
        SEED.hex() not in json.dumps(seen) and part not in json.dumps(seen) for part in secret
    )


def test_instances_repeat_by_seed_and_keep_the_secret_apart(backend: Backend, instance: Instance):
    assert [entry.path for entry in instance.public] == ["train.txt"]
    assert {entry.path for entry in instance.secret} == {
        "heldout.txt",
        "request.json",
        "source.json",
    }
    assert make_instance(TASK, PROFILE, "screen", SEED, backend).digest == instance.digest
    assert make_instance(TASK, PROFILE, "screen", SEED[::-1], backend).digest != instance.digest


def test_protected_files_come_from_the_task_whatever_the_candidate_did(
    one_backend: Backend, one_instance: Instance
):
    original = {entry.path: entry for entry in read_tree(TASK.repo)}
    rewritten = candidate("def fit(text): ...", run="print('mine')")
    assert {entry.path: entry for entry in with_task_files(TASK, rewritten)}["run.py"] == original[
        "run.py"
    ]
    removed = tuple(entry for entry in read_tree(TASK.repo) if entry.path != "run.py")
    assert with_task_files(TASK, removed) == read_tree(TASK.repo)
    in_the_way = (*removed, FileEntry(path="run.py/__main__.py", content=b"print('mine')"))
    assert with_task_files(TASK, in_the_way) == read_tree(TASK.repo)
    lazy = "from pathlib import Path\nraise SystemExit('the candidate own entry ran')\n"
    done = run(
        candidate((TASK.repo / "bigram" / "fit.py").read_text(), run=lazy),
        one_instance,
        one_backend,
    )
    assert done.execution.outcome is ExecOutcome.OK, done.execution.stderr


@pytest.mark.parametrize(
    ("fit", "outcome", "words"),
    [
        ("def fit(text): raise SystemExit(3)", GradeOutcome.CRASHED, "ended as crashed"),
        ("def fit(text):\n    while True: pass", GradeOutcome.TIMEOUT, "ended as timeout"),
        ("def fit(text): return bytearray(2 << 30)", GradeOutcome.OOM, "ended as oom"),
        ("import os\ndef fit(text): os._exit(0)", GradeOutcome.INVALID_OUTPUT, "left no file"),
        (
            "import os\ndef fit(text): os.symlink('/etc', os.environ['RSI_IO'] + '/out/l'); return {}",
            GradeOutcome.INVALID_OUTPUT,
            "symbolic link",
        ),
        (
            "import os\ndef fit(text): open(os.environ['RSI_IO'] + '/out/x', 'wb').write(bytes(2 << 20)); return {}",
            GradeOutcome.INVALID_OUTPUT,
            "the out folder could not be read",
        ),
        (
            "import os\ndef fit(text):\n for n in range(9): open(f\"{os.environ['RSI_IO']}/out/{n}\", 'w')\n return {}",
            GradeOutcome.INVALID_OUTPUT,
            "the out folder could not be read",
        ),
    ],
)
def test_what_a_bad_candidate_does_is_a_value(
    one_backend: Backend, one_instance: Instance, fit: str, outcome: GradeOutcome, words: str
):
    short = replace(PROFILE, limits=replace(PROFILE.limits, wall_s=1.5, memory_bytes=256 << 20))
    done = run_candidate(TASK, short, candidate(fit), one_instance, 7, one_backend, "test-runner")
    assert done.output is None
    assert words in done.output_problem
    assert grade_of_failed_run(done) is outcome


def test_nothing_that_a_candidate_left_running_can_change_its_answer(
    one_backend: Backend, one_instance: Instance
):
    fit = (
        "import os, time\n"
        "def fit(text):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        time.sleep(0.3)\n"
        "        open(os.environ['RSI_IO'] + '/out/late.json', 'w').write('late')\n"
        "        os._exit(0)\n"
        "    return {}\n"
    )
    done = run(candidate(fit), one_instance, one_backend)
    assert done.output is not None
    assert [entry.path for entry in done.output] == ["model.json"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (b'{"letters": "a", "counts": [[1]], "smoothing": NaN}', "NaN is not allowed"),
        (b"\x80\x04K\x01.", "is not acceptable JSON"),
        (b'{"outcome": "ok", "quality": [{"name": "excess_bpb", "value": 0}]}', "exactly the keys"),
        (b'{"letters": "a", "counts": [[true]], "smoothing": 1}', "each letter of the text once"),
        (b" " * 200_000, "more than the 100000 allowed"),
    ],
)
def test_a_bad_artifact_is_the_candidates_invalid_output(
    one_backend: Backend, one_instance: Instance, model: bytes, words: str
):
    output = (
        FileEntry(path="model.json", content=model),
        FileEntry(path="result.json", content=b'{"outcome": "ok"}'),
        FileEntry(path="harness_kit/__init__.py", content=b"raise SystemExit(0)"),
    )
    graded = grade(TASK, PROFILE, one_instance, output, one_backend, "test-runner")
    assert graded.outcome is GradeOutcome.INVALID_OUTPUT
    assert words in graded.reason
    assert graded.quality_values == {}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"excess_bpb": excess', '"excess_bpb": float("nan")', "only finite numbers are results"),
        ('"excess_bpb": excess', '"exces_bpb": excess', "exces_bpb is not declared in task.toml"),
        (
            "floor = loss_of",
            "raise SystemExit(0)\n        floor = loss_of",
            "exited 0 without a result",
        ),
        ("floor = loss_of", "raise OSError('disk')\n        floor = loss_of", "disk"),
        (
            "floor = loss_of",
            "raise SystemExit(1)\n        floor = loss_of",
            "ended as crashed (exit 1)",
        ),
    ],
)
def test_a_failing_harness_is_our_error_and_never_a_grade(
    edit_toml: Callable[..., Path],
    one_backend: Backend,
    one_instance: Instance,
    baseline: CandidateRun,
    old: str,
    new: str,
    words: str,
):
    task = load_task(edit_toml(old, new, "harness/task.py"))
    assert baseline.output is not None
    with pytest.raises(HarnessError) as caught:
        grade(task, PROFILE, one_instance, baseline.output, one_backend, "test-runner")
    assert words in str(caught.value)


def test_an_instance_that_cannot_be_made_is_our_error(
    edit_toml: Callable[..., Path], one_backend: Backend
):
    task = load_task(edit_toml("letters = 20", "letters = 27"))
    with pytest.raises(
        HarnessError, match="verb 'instance' of task 'toy', profile 'smoke'"
    ) as caught:
        make_instance(task, profile_of(task), "screen", SEED, one_backend)
    assert "Sample larger than population" in str(caught.value)


def seen_lines(report: CheckReport) -> dict[str, str]:
    return {line.name: line.detail for line in report.lines if not line.is_ok}


def test_check_finds_nothing_wrong_with_the_toy_task(one_backend: Backend):
    told: list[str] = []
    report = check_task(TASK, None, one_backend, lambda line: told.append(line.name))
    assert seen_lines(report) == {}
    assert report.is_ok
    assert told == [line.name for line in report.lines]
    assert {"loads", "baseline runs", "cheat 01_edits_the_entry applies"} <= set(told)


def test_check_names_a_broken_baseline_patch_and_generator(toy_copy: Path, one_backend: Backend):
    (toy_copy / "repo" / "bigram" / "loss.py").write_text("import nothing_of_this_name\n")
    source = toy_copy / "harness" / "task.py"
    source.write_text(source.read_text().replace("def selfcheck", "def selfchek"))
    report = check_task(load_task(toy_copy), "smoke", one_backend)
    wrong = seen_lines(report)
    assert "nothing_of_this_name" in wrong["baseline runs"]
    assert "ended as crashed (exit 70)" in wrong["harness selfcheck"]
    assert "hunk 1 of bigram/loss.py" in wrong["solution 02_row_sums_once applies"]
    assert not report.is_ok


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [entry.name for entry in (*TASK.solutions, *TASK.cheats)]
)  # fmt: skip
def test_every_solution_and_cheat_of_the_toy_does_what_its_list_says(
    one_backend: Backend, one_instance: Instance, name: str
):
    entry = next(entry for entry in (*TASK.solutions, *TASK.cheats) if entry.name == name)
    trees = (read_tree(TASK.repo), patched_tree(TASK, entry))
    # Beside each other, and the cheapest of three: neighbours on the machine only ever add.
    rounds = [[run(tree, one_instance, one_backend) for tree in trees] for _ in range(3)]
    cheapest = [min(each.execution.cpu_s for each in runs) for runs in zip(*rounds, strict=True)]
    ratio = cheapest[0] / cheapest[1]
    done = rounds[0][1]
    if done.output is None:
        outcome, is_kept = grade_of_failed_run(done), False
    else:
        graded = grade(TASK, PROFILE, one_instance, done.output, one_backend, "test-runner")
        outcome = graded.outcome
        is_kept = all(reading.is_ok for reading in (*graded.quality, *graded.guards))
    match entry.expect:
        case "faster":
            assert ratio > 1.3
            assert is_kept
        case "same":
            assert 0.6 < ratio < 1.6
            assert is_kept
        case "slower":
            assert ratio < 0.8
            assert is_kept
        case "worse_quality":
            assert outcome is GradeOutcome.OK
            assert not is_kept
        case "crash":
            assert outcome is GradeOutcome.CRASHED
        case caught if "invalid_output" in caught:
            assert outcome is GradeOutcome.INVALID_OUTPUT
        case _:
            assert not is_kept or 0.6 < ratio < 1.6, "it neither loses quality nor gains nothing"


def changing(code: str) -> FileTree:
    """The toy repo with something done before it fits honestly."""
    fit = (TASK.repo / "bigram" / "fit.py").read_text()
    return candidate(fit + f"\n\nimport os, sys\nfrom pathlib import Path\n{code}\n")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("Path(sys.argv[0]).write_text('x = 1')", "changed 'run.py'"),
        ("import shutil; shutil.copyfile(__file__, sys.argv[0])", "changed 'run.py'"),
        ("os.chmod(sys.argv[0], 0o700)", "changed 'run.py'"),
        ("os.remove('bigram/loss.py')", "removed 'bigram/loss.py'"),
        ("Path('cache.bin').write_bytes(b'kept')", "added 'cache.bin'"),
        ("Path(os.environ['RSI_IO'], 'public', 'train.txt').write_text('ab' * 999)", "changed 'io/public/train.txt'"),
        ("Path(os.environ['RSI_IO']).parent.joinpath('x').write_text('ab')", "added 'x'"),
        # What was put back is seen by the time of the change, which nothing inside can set.
        ("p = Path('run.py'); t = p.read_bytes(); p.write_bytes(b''); p.write_bytes(t)", "changed 'run.py'"),
        ("Path('own.py').write_text('x = 1'); import own; os.remove('own.py')", "changed 'code'"),
        ("t = os.stat('run.py'); Path('run.py').write_text('x = 1'); os.utime('run.py', ns=(t.st_atime_ns, t.st_mtime_ns))",
         "changed 'run.py'"),
    ],
)  # fmt: skip
def test_a_run_that_changes_what_it_was_given_ends_as_tampered(
    backend: Backend, instance: Instance, code: str, words: str
):
    done = run(changing(code), instance, backend)
    assert done.execution.outcome is ExecOutcome.OK, done.execution.stderr
    assert grade_of_failed_run(done) is GradeOutcome.TAMPERED
    assert done.output is None
    assert words in done.output_problem


@pytest.mark.parametrize(
    "code",
    [
        "import tempfile; tempfile.NamedTemporaryFile(delete=False).write(b'x')",
        "(Path(os.environ['TMPDIR']) / 'build').mkdir()",
        "out = Path(os.environ['RSI_IO'], 'out'); out.rename(out.with_name('old')); out.with_name('old').rename(out)",
        "Path(os.environ['RSI_IO'], 'out', 'log.txt').write_text('step 1')",
        "open('run.py').read(); os.listdir('.')",
    ],
)
def test_a_run_may_write_to_its_out_folder_and_to_temporary_ones(
    backend: Backend, instance: Instance, code: str
):
    done = run(changing(code), instance, backend)
    assert done.output is not None, done.output_problem


def test_a_task_may_let_a_run_write_in_its_own_folder_and_code_only_by_its_suffix(
    one_backend: Backend, one_instance: Instance
):
    def ended(globs: tuple[str, ...], code: str) -> str:
        rules = replace(TASK.candidate, writable=globs)
        task = replace(TASK, candidate=rules)
        return run(changing(code), one_instance, one_backend, task).output_problem

    log = "os.makedirs('logs/a'); Path('logs/a/step.txt').write_text('1')"
    assert ended(("logs/**",), log) == ""
    assert "added 'logs/a/step.txt'" in ended(("out/**",), log)
    code = "Path('own.py').write_text('x = 1')"
    assert "added 'own.py'" in ended(("**",), code)
    assert ended(("*.py",), code) == ""
    assert "'run.py'" in ended(("**",), "Path('run.py').write_text('x = 1')")
    assert "'notes'" in ended(("**",), "os.symlink('run.py', 'notes')")


def test_a_folder_of_more_entries_than_anybody_needs_is_tampering(
    one_backend: Backend, one_instance: Instance
):
    done = run(changing("for n in range(30_000): open(f'f{n}', 'w').close()"), one_instance, one_backend)  # fmt: skip
    assert grade_of_failed_run(done) is GradeOutcome.TAMPERED
    assert "more than 20000 entries" in done.output_problem
