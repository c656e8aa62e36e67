"""CPU seconds without a control group: nobody is missed, and nobody is counted twice."""

import pytest

from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import ExecOutcome

PROGRAM = """
import os, signal, time

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass

def child(seconds, is_waited):
    pid = os.fork()
    if pid == 0:
        burn(seconds)
        os._exit(0)
    if is_waited: os.waitpid(pid, 0)
    return pid

signal.signal(signal.SIGCHLD, signal.{disposition})
pid = child(1.0, False)
try: os.waitpid(pid, 0)
except ChildProcessError: pass
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
{then}
"""
GRANDCHILD = """
if os.fork() == 0:
    child(1.0, True)
    os._exit(0)
os.wait()
"""
SHORT_ONES = "for _ in range(25): child(0.04, True)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("disposition", "then", "expected_s"),
    [
        ("SIG_IGN", SHORT_ONES, 2.0),
        ("SIG_DFL", SHORT_ONES, 2.0),
        ("SIG_IGN", "", 1.0),
        ("SIG_DFL", "", 1.0),
        ("SIG_IGN", GRANDCHILD, 2.0),
    ],
    ids=[
        "ignored and short",
        "waited and short",
        "ignored",
        "waited",
        "ignored and a waited grandchild",
    ],
)
def test_every_process_counts_once_without_a_control_group(
    make_spec, disposition, then, expected_s
):
    with ProcessBackend(use_cgroups=False).open(make_spec()) as sandbox:
        program = PROGRAM.format(disposition=disposition, then=then)
        result = sandbox.exec(["python", "-c", program])
    assert result.outcome is ExecOutcome.OK, result.stderr.decode()
    assert result.cpu_source == "rusage"
    assert 0.9 * expected_s < result.cpu_s < 1.25 * expected_s + 0.15
