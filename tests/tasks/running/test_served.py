"""The served pattern on real sandboxes: what a candidate may say, what ends its run, and whose fault is whose."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import Backend, ExecOutcome, FileEntry
from rsi.tasks.errors import HarnessError, TaskFormatError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import BUILT_IN, load_task
from rsi.tasks.running.runner import grade, make_instance, run_candidate
from rsi.tasks.types import CandidateRun, Grade, GradeOutcome, Task

pytestmark = pytest.mark.slow
COMPILER = BUILT_IN / "compiler"
RAW = """
import os, socket, struct
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["RSI_SOCKET"])
"""
"""A candidate that speaks to its harness without our half of the protocol."""
LEAVE = "\nos._exit(0)\n"


@pytest.fixture(
    scope="module",
    params=["process", "bubblewrap"],
)
def backend(request: pytest.FixtureRequest) -> Backend:
    made = {"process": ProcessBackend, "bubblewrap": BubblewrapBackend}
    chosen: Backend = made[request.param]()
    if not chosen.availability().is_available:
        pytest.skip(chosen.availability().reason)
    return chosen


@pytest.fixture(scope="module")
def one_backend() -> Backend:
    strongest = BubblewrapBackend()
    return strongest if strongest.availability().is_available else ProcessBackend()


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Task]:
    """The compiler task with one text of one of its files replaced."""

    def make(file: str, old: str, new: str) -> Task:
        folder = tmp_path / "compiler"
        shutil.copytree(COMPILER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        text = (folder / file).read_text()
        assert text.count(old) == 1
        (folder / file).write_text(text.replace(old, new))
        return load_task(folder)

    return make


def run(
    backend: Backend, opening: str = "", task: Task | None = None
) -> tuple[CandidateRun, Grade | None]:
    """One run whose compiler begins with these lines, and its grade."""
    task = task or load_task("compiler")
    profile = task.profiles["smoke"]
    instance = make_instance(task, profile, "screen", bytes(range(32)), backend)
    tree = tuple(
        FileEntry(path=each.path, content=opening.encode() + each.content)
        if each.path == "quill/__init__.py"
        else each
        for each in read_tree(task.repo)
    )
    done = run_candidate(task, profile, tree, instance, 1, backend, "test")
    if done.output is None:
        return done, None
    return done, grade(task, profile, instance, done.output, backend, "test")


def test_a_candidate_is_served_and_graded_by_its_harness(backend: Backend):
    done, graded = run(backend)
    assert done.execution.outcome is ExecOutcome.OK
    assert graded is not None
    assert graded.outcome is GradeOutcome.OK
    assert graded.metric_value is not None
    assert 0 < graded.metric_value < 0.2
    assert graded.quality_values["simple_share"] > 0.02


def test_nothing_of_the_harness_can_be_seen_but_its_socket(backend: Backend):
    if backend.name == "process":
        pytest.skip("no wall")
    seen = (
        "import os, sys\n"
        "found = [os.path.join(at, name) for at, _, names in os.walk('/') for name in names\n"
        "         if name in ('programs.json', 'request.json', 'semantics.py')]\n"
        "found += [name for name in os.listdir('/link') if name != 'harness.sock']\n"
        "try: open('/link/ended', 'w')\nexcept OSError: pass\nelse: found.append('written')\n"
        "print('seen', found, file=sys.stderr)\n"
    )
    done, _ = run(backend, seen)
    assert b"seen []" in done.execution.stderr


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('link.sendall(b"\\xff" * 4096)', "a head of"),
        ('link.sendall(struct.pack(">I", 8) + b"not json")', "not JSON"),
        ('link.sendall(struct.pack(">I", 12) + b"[1, 2, 3, 4]")', "not a JSON object"),
        ('link.sendall(struct.pack(">I", 900) + b"{")', "the connection ended"),
        ('link.sendall(struct.pack(">I", 2) + b"{}")', '"call"'),
        ('head = b"[" * 200000\nlink.sendall(struct.pack(">I", len(head)) + head)', "nested too deeply"),
        ("link.close()\nos._exit(0)", ""),
    ],
)  # fmt: skip
def test_what_is_no_frame_ends_the_run_as_invalid_output(
    one_backend: Backend, lines: str, reason: str
):
    done, graded = run(one_backend, RAW + lines + LEAVE)
    assert done.execution.outcome is ExecOutcome.OK
    assert graded is not None
    if reason:
        assert graded.outcome is GradeOutcome.INVALID_OUTPUT
        assert reason in graded.reason
    else:  # a candidate that hands in nothing is right about nothing
        assert graded.outcome is GradeOutcome.OK
        assert graded.metric_value is not None
        assert graded.metric_value < 0.02


def test_one_that_never_connects_has_left_nothing(one_backend: Backend):
    _, graded = run(one_backend, "import os\nos._exit(0)\n")
    assert graded is not None
    assert graded.outcome is GradeOutcome.INVALID_OUTPUT
    assert "without a word" in graded.reason


def test_there_is_one_connection_a_run(one_backend: Backend):
    second = RAW + (
        "import sys\nagain = socket.socket(socket.AF_UNIX)\n"
        "link.sendall(struct.pack('>I', 15) + b'{\"call\":\"next\"}'); link.recv(4)\n"
        "again.settimeout(1)\ntry: again.connect(os.environ['RSI_SOCKET'])\n"
        "except OSError as error: print('second', type(error).__name__, file=sys.stderr)\n"
        "else:\n    again.sendall(struct.pack('>I', 15) + b'{\"call\":\"next\"}')\n"
        "    try: print('second got', again.recv(4), file=sys.stderr)\n"
        "    except OSError as error: print('second', type(error).__name__, file=sys.stderr)\n"
    )
    done, graded = run(one_backend, second + LEAVE)
    assert b"second " in done.execution.stderr
    assert b"second got" not in done.execution.stderr
    assert graded is not None


def test_one_that_crashes_or_hangs_is_its_own_fault(one_backend: Backend):
    done, graded = run(one_backend, RAW + "raise SystemExit(3)\n")
    assert done.execution.outcome is ExecOutcome.CRASHED
    assert graded is None


def test_a_harness_that_fails_while_it_serves_is_never_the_candidates_fault(
    one_backend: Backend, changed: Callable[..., Task]
):
    task = changed(
        "harness/task.py", "        number = self._handed_out\n", "        number = 1 // 0\n"
    )
    with pytest.raises(HarnessError, match="ZeroDivisionError") as caught:
        run(one_backend, RAW + "link.sendall(struct.pack('>I', 15) + b'{\"call\":\"next\"}')\n"
            "link.recv(1)" + LEAVE, task)  # fmt: skip
    assert "while it served" in str(caught.value)


def test_a_harness_that_does_not_start_says_so(one_backend: Backend, changed: Callable[..., Task]):
    task = changed("harness/task.py", "    def session(self", "    def conversation(self")
    with pytest.raises(HarnessError, match="has no method `session`"):
        run(one_backend, task=task)


def test_no_clock_decides_in_a_served_task(changed: Callable[..., Task]):
    with pytest.raises(TaskFormatError, match="clock"):
        changed("task.toml", 'clock = "result"', 'clock = "cpu_s"')


def test_nothing_is_left_on_the_host(one_backend: Backend, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    run(one_backend)
    assert list(tmp_path.glob("rsi-link*")) == []
