"""What an agent finds in its sandbox on a task whose runs talk to their harness: what builds and imports there does so here."""

import shutil

import pytest

from rsi.agent.run.steps.development.instance import agent_spec, dev_seeds, put_instance
from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.types import ExecOutcome
from rsi.tasks.files.trees import below, read_tree
from rsi.tasks.format.loader import load_task

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "public", "command"),
    [
        ("kernels", "sizes.json", ("python", "-P", "-m", "harness_link.building", "--one-thread")),
        ("compiler", "SPEC-0.md", ("python", "-c", "from harness_link import Refused, connect")),
    ],
)
def test_a_linked_task_is_built_and_read_where_it_is_worked_on(name, public, command):
    backend = BubblewrapBackend()
    if not backend.availability().is_available or shutil.which("gcc") is None:
        pytest.skip("needs bubblewrap and gcc")
    task = load_task(name)
    profile = task.profiles["smoke"]
    backend.prepare(task.environment)
    seed, chance = dev_seeds(bytes(range(16)), task, "x")
    with backend.open(agent_spec(task, profile, "test", chance=chance)) as sandbox:
        put_instance(sandbox, backend, task, profile, seed, "test")
        sandbox.put(below("repo", read_tree(task.repo)))
        done = sandbox.exec(command, cwd="/work/repo")
        assert done.outcome is ExecOutcome.OK, done.stderr
        looked = sandbox.exec(
            ("sh", "-c", f"cat $RSI_IO/public/{public}; ls -R /work; echo [$RSI_SOCKET]")
        )
        assert looked.outcome is ExecOutcome.OK
        said = looked.stdout.decode()
        assert "[]" in said, "nobody listens here"
        for hidden in ("calls.json", "programs.json", "request.json", "members.py", "semantics.py"):
            assert hidden not in said
