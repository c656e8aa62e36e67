"""Red team on the served pattern: slow and endless talkers, promises of huge arrays, and children that keep the connection.

Each talks to a real harness from a real sandbox, without our half of the protocol; each ends in the outcome that is named, in time.
"""

import time
from dataclasses import replace

import pytest

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import ExecOutcome, FileEntry
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.runner import grade, grade_of_failed_run, make_instance, run_candidate
from rsi.tasks.types import GradeOutcome

pytestmark = pytest.mark.slow
MAX_WALL_S = 5.0
SLACK_S = 45.0
"""Starting, grading and ending on a machine that others use; a harness that hangs takes minutes."""
RAW = """
import json, os, socket, struct, time
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["RSI_SOCKET"])
def frame(**head):
    said = json.dumps(head).encode()
    return struct.pack(">I", len(said)) + said
NEXT = frame(call="next")
"""


@pytest.fixture(scope="module")
def attacked():
    """How a run ends whose compiler is these lines: its outcome, why, and how long it took."""
    backend = BubblewrapBackend()
    if not backend.availability().is_available:
        backend = ProcessBackend()
    task = load_task("compiler")
    smoke = task.profiles["smoke"]
    profile = replace(smoke, limits=replace(smoke.limits, wall_s=MAX_WALL_S))
    instance = make_instance(task, profile, "screen", bytes(range(32)), backend)

    def go(lines: str) -> tuple[GradeOutcome, str]:
        tree = tuple(
            FileEntry(path=each.path, content=f"{RAW}{lines}\n".encode())
            if each.path == "quill/__init__.py"
            else each
            for each in read_tree(task.repo)
        )
        begun = time.monotonic()
        done = run_candidate(task, profile, tree, instance, 1, backend, "red team")
        assert time.monotonic() - begun < MAX_WALL_S + SLACK_S
        if done.output is None:
            return grade_of_failed_run(done), done.output_problem
        assert done.execution.outcome is ExecOutcome.OK
        found = grade(task, profile, instance, done.output, backend, "red team")
        return found.outcome, found.reason or f"{found.metric_value:.4f}"

    return go


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        # Three bytes of the length, or one byte of the head a second: its own time limit ends it.
        ("link.sendall(NEXT[:3])\ntime.sleep(600)", GradeOutcome.TIMEOUT),
        ("for each in NEXT * 100:\n    link.sendall(bytes([each]))\n    time.sleep(0.5)", GradeOutcome.TIMEOUT),
        # A slow reader: the harness has an answer for each call and nobody takes it.
        ("link.settimeout(1)\ntry:\n    while True: link.sendall(NEXT)\nexcept OSError: pass\ntime.sleep(600)", GradeOutcome.TIMEOUT),
    ],
)  # fmt: skip
def test_a_slow_talker_ends_at_its_own_limit_and_the_harness_with_it(attacked, lines, outcome):
    assert attacked(lines)[0] is outcome


@pytest.mark.parametrize(
    "head",
    [
        'frame(call="next", arrays=[{"dtype": "<f8", "shape": [1 << 40]}])',
        'frame(call="next", arrays=[{"dtype": "<f8", "shape": [1 << 20] * 9}])',
        'frame(call="next", arrays=[{"dtype": "O", "shape": [1]}])',
        'frame(call="next", arrays=[{"dtype": "<f8", "shape": [-1]}])',
        'struct.pack(">I", 0xFFFFFFFF) + b" " * 4096',
        'struct.pack(">I", 1 << 30) + b"{" * 4096',
    ],
)
def test_a_promise_of_more_than_a_frame_may_hold_is_no_frame(attacked, head):
    found, said = attacked(f"link.sendall({head})\nlink.shutdown(socket.SHUT_WR)\nos._exit(0)")
    assert found is GradeOutcome.INVALID_OUTPUT
    assert "frame" in said


def test_many_calls_that_nobody_reads_the_answers_of_win_nothing(attacked):
    found, said = attacked(
        "link.settimeout(1)\ntry:\n    for _ in range(20000): link.sendall(NEXT)\nexcept OSError: pass\nos._exit(0)"
    )
    assert found is GradeOutcome.OK
    assert float(said) < 0.05


def test_calls_beyond_the_budget_are_refused_and_counted_no_more(attacked):
    found, said = attacked(
        """def ask():
    link.sendall(NEXT)
    size = struct.unpack(">I", link.recv(4, socket.MSG_WAITALL))[0]
    return json.loads(link.recv(size, socket.MSG_WAITALL))
said = [ask() for _ in range(300)]
refused = [each for each in said if "refused" in each]
assert len(refused) == 60 and "over the budget: 1 calls" in refused[0]["refused"], (len(refused), refused[:1])
os._exit(0)"""
    )
    assert found is GradeOutcome.OK, said


def test_a_child_that_keeps_the_connection_holds_nobody_up(attacked):
    """The run is over when its own process is; what it left behind ends with it, and the harness grades what it has."""
    found, said = attacked(
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\nlink.sendall(NEXT)\nos._exit(0)"
    )
    assert found is GradeOutcome.OK
    assert float(said) < 0.05
