"""What a command leaves behind lives on where it was asked for, and runs only while another command does."""

import time
from dataclasses import replace

import pytest

from rsi.sandboxes.types import ExecOutcome, FileEntry

pytestmark = pytest.mark.slow

COUNTER = "setsid sh -c 'while :; do echo x >> ticks; sleep 0.02; done' >/dev/null 2>&1 &"


def ticks(sandbox):
    (found,) = [e for e in sandbox.get("/work", max_bytes=1 << 20) if e.path == "ticks"]
    return len(found.content)


@pytest.fixture
def keeping(backend, make_spec):
    with backend.open(replace(make_spec(), keeps_processes=True)) as sandbox:
        yield sandbox


def test_a_process_that_is_left_runs_only_while_another_command_does(keeping):
    keeping.exec(["sh", "-c", f"{COUNTER} sleep 0.2"])
    before = ticks(keeping)
    time.sleep(0.4)
    keeping.put((FileEntry(path="other", content=b"x"),))
    assert ticks(keeping) == before > 0
    keeping.exec(["sleep", "0.4"])
    assert ticks(keeping) > before


def test_a_limit_ends_what_was_left_as_well(keeping):
    keeping.exec(["sh", "-c", f"{COUNTER} sleep 0.1"])
    grow = "x = []\nwhile True: x.append(bytearray(range(256)) * (1 << 14))"
    ended = keeping.exec(["python", "-c", grow])
    assert ended.outcome in (ExecOutcome.OOM, ExecOutcome.CRASHED)
    assert keeping.exec(["echo", "alive"]).stdout == b"alive\n"


def test_a_memory_limit_binds_what_was_left_while_others_run(keeping):
    grow = "import time\nhoard = []\nfor _ in range(4000): hoard.append(bytearray(range(256)) * (1 << 14)); time.sleep(0.001)"
    keeping.exec(["sh", "-c", f"setsid python -c '{grow}' >/dev/null 2>&1 &"])
    deadline = time.monotonic() + 30
    ended = keeping.exec(["sleep", "5"])
    assert time.monotonic() < deadline
    left = keeping.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]).stdout
    assert ended.outcome is ExecOutcome.OOM or b"hoard" not in left


def test_without_it_nothing_is_left(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        sandbox.exec(["sh", "-c", f"{COUNTER} sleep 0.1"])
        before = ticks(sandbox)
        sandbox.exec(["sleep", "0.3"])
        assert ticks(sandbox) == before
