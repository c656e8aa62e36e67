"""What an agent finds in its sandbox on a task whose runs talk to their harness: what builds, imports and runs there does so here."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rsi.agent.run.steps.development.instance import AgentRoom, agent_room, dev_seeds
from rsi.evals.types import Purpose
from rsi.sandboxes.select import BACKENDS
from rsi.sandboxes.types import Backend, ExecOutcome, FileEntry
from rsi.tasks.files.trees import below, read_tree
from rsi.tasks.format.loader import BUILT_IN, load_task
from rsi.tasks.running.runner import make_instance, run_candidate
from rsi.tasks.types import Task

pytestmark = pytest.mark.slow
HIDDEN = ("calls.json", "programs.json", "request.json", "members.py", "semantics.py")
SEED, LABEL = bytes(range(16)), "test"
RUN = "python run.py > /tmp/said && python -m harness_link"


@pytest.fixture(
    params=[
        pytest.param(each.name, marks=pytest.mark.docker if "docker" in each.name else ())
        for each in BACKENDS
    ]
)
def backend(request: pytest.FixtureRequest) -> Backend:
    (chosen,) = [each.make() for each in BACKENDS if each.name == request.param]
    if not chosen.availability().is_available:
        pytest.skip(chosen.availability().reason)
    return chosen


@contextmanager
def developing(backend: Backend, task: Task) -> Iterator[AgentRoom]:
    backend.prepare(task.environment)
    profile = task.profiles["smoke"]
    seeds = dev_seeds(SEED, task, "x")
    with agent_room(backend, task, profile, LABEL, seeds=seeds, has_instance=True) as room:
        room.sandbox.put(below("repo", read_tree(task.repo)))
        yield room


def shell(room: AgentRoom, command: str) -> str:
    done = room.sandbox.exec(("sh", "-c", command), cwd="/work/repo")
    assert done.outcome is ExecOutcome.OK, (done.stdout, done.stderr)
    return done.stdout.decode()


def test_a_clocked_task_is_built_where_it_is_worked_on_and_nobody_answers_there(backend):
    if backend.name != "docker" and shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    with developing(backend, load_task("kernels")) as room:
        shell(room, "python -P -m harness_link.building --one-thread")
        said = shell(room, "cat $RSI_IO/public/sizes.json; ls -R ..; echo [$RSI_SOCKET]")
        assert "[]" in said, "nobody listens here"
        assert [each for each in HIDDEN if each in said] == []
        assert room.harness is None


def test_a_run_in_the_agents_shell_is_answered_by_a_development_harness(backend):
    task = load_task("compiler")
    with developing(backend, task) as room:
        first = json.loads(shell(room, RUN))
        assert first["run"] == 1
        assert first["result"]["purpose"] == Purpose.DEV.value
        assert first["result"]["outcome"] == "ok"
        assert 0 < first["result"]["metric"]["value"] < 0.2
        assert {"simple", "complex"} <= {each["name"] for each in first["result"]["parts"]}
        worse = "printf 'def compile_program(source, dialect):\\n    raise ValueError\\n' > quill/__init__.py; "
        second = json.loads(shell(room, worse + RUN))
        assert second["run"] == 2
        shares = [each["result"]["quality"][0]["value"] for each in (first, second)]
        assert shares[1] < shares[0], "what is said is about the run just made"
        assert second["result"]["instance_digest"] == first["result"]["instance_digest"]
        assert second["calls_of_all_runs"] > first["calls_of_all_runs"]
        use = room.harness.use()
    assert (use.calls, use.problem) == (second["calls_of_all_runs"], "")


def test_the_agent_holds_no_file_of_the_harness_and_cannot_write_beside_the_socket(backend):
    if backend.name == "process":
        pytest.skip("no wall")
    look = (
        "import os\n"
        f"found = [name for _, _, names in os.walk('/') for name in names if name in {HIDDEN!r}]\n"
        "found += [name for name in os.listdir('/link') if name != 'harness.sock']\n"
        "for name in ('abandoned', 'ended', 'calls'):\n"
        "    try: open('/link/' + name, 'w')\n"
        "    except OSError: continue\n"
        "    found.append(name)\n"
        "print(found)\n"
    )
    with developing(backend, load_task("compiler")) as room:
        shell(room, "python run.py")
        room.sandbox.put((FileEntry(path="look.py", content=look.encode()),))
        assert shell(room, "python /work/look.py").strip() == "[]"
        assert json.loads(shell(room, RUN))["run"] == 2


def test_a_development_harness_that_fails_takes_nothing_of_what_was_done(backend, tmp_path: Path):
    folder = tmp_path / "compiler"
    shutil.copytree(BUILT_IN / "compiler", folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "harness" / "task.py"
    broken = file.read_text().replace("number = self._handed_out\n", "number = 1 // 0\n")
    file.write_text(broken)
    with developing(backend, load_task(folder)) as room:
        done = room.sandbox.exec(("python", "run.py"), cwd="/work/repo")
        assert done.outcome is ExecOutcome.CRASHED
        again = room.sandbox.exec(("python", "-m", "harness_link"), cwd="/work/repo")
        assert again.stderr.decode().strip() == "no development harness answers here"
        shell(room, "ls")
        use = room.harness.use()
    assert use.calls is None
    assert "ZeroDivisionError" in use.problem


def test_a_measured_run_is_told_nothing_of_what_it_came_to(backend):
    task = load_task("compiler")
    backend.prepare(task.environment)
    profile = task.profiles["smoke"]
    instance = make_instance(task, profile, "screen", bytes(range(32)), backend)
    asking = b"import harness_link.__main__\n"
    tree = tuple(
        FileEntry(path=each.path, content=asking + each.content)
        if each.path == "quill/__init__.py"
        else each
        for each in read_tree(task.repo)
    )
    done = run_candidate(task, profile, tree, instance, 1, backend, LABEL)
    assert b"no call 'last_run'; there are bytecode, next" in done.execution.stderr
