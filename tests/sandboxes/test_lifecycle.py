"""Sandboxes leave nothing behind, whoever dies and however often."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.machine import cgroups
from rsi.sandboxes.pool import SandboxPool
from rsi.sandboxes.types import ExecOutcome, Mount

pytestmark = pytest.mark.slow

OWNER = """
import sys
from rsi.sandboxes.select import BACKENDS
from rsi.sandboxes.types import Environment, Limits, SandboxSpec
backend = next(each for each in BACKENDS if each.name == sys.argv[1]).make()
spec = SandboxSpec(environment=Environment(name="conformance"), limits=Limits(wall_s=60, memory_bytes=1 << 28))
with backend.open(spec) as sandbox:
    print("open", flush=True)
    sandbox.exec(["sh", "-c", "setsid sleep 47.123 & sleep 47.123"])
"""


def sleepers() -> list[str]:
    """Pids of the sandboxed sleeps, seen from the host."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                is_ours = b"47.123" in (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if is_ours and (folder / "exe").exists():
                found.append(folder.name)
    return found


def wait_until(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    "name", ["bubblewrap", "process", pytest.param("docker", marks=pytest.mark.docker)]
)
def test_a_killed_owner_takes_its_sandbox_along(name, request):
    backend = request.getfixturevalue("docker_backend" if name == "docker" else name)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER), name], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout.readline() == b"open\n"
        assert wait_until(lambda: len(sleepers()) >= 2, 10)
        owner.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not sleepers(), 2.0), f"still running: {sleepers()}"
    strays = getattr(backend, "strays", cgroups.strays)
    cgroups.reap()
    assert wait_until(lambda: not strays(), 2.0)


def traces() -> dict[str, object]:
    """What sandboxes of this process could leave on the host."""
    gc.collect()
    tag = f"rsi-{os.getpid()}."
    groups = [each for each in cgroups.ROOT.rglob("rsi-*") if each.name.startswith(tag)]
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "mounts": Path("/proc/self/mountinfo").read_text().count("rsi"),
        "groups": groups,
        "children": Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(),
        "threads": threading.active_count(),
    }


def run_many(backend, make_spec, count: int) -> None:
    for at in range(count):
        with backend.open(make_spec()) as sandbox:
            assert sandbox.exec(["echo", str(at)]).outcome is ExecOutcome.OK


@pytest.mark.slow
def test_fifty_sandboxes_leave_nothing(backend, make_spec):
    # The engine's client keeps a bounded number of idle connections: let it reach its bound first.
    run_many(backend, make_spec, 30 if backend.name == "docker" else 2)
    before = traces(), containers(backend)
    run_many(backend, make_spec, 50)
    assert (traces(), containers(backend)) == before


def containers(backend) -> set[str]:
    """What the engine holds of us, running or not; nothing without an engine."""
    client = getattr(backend, "client", None)
    return {each.id for each in client.containers.list(all=True)} if client else set()


def test_sandboxes_of_several_threads_do_not_disturb_each_other(backend, make_spec):
    seen: dict[int, bytes] = {}

    def work(at: int) -> None:
        with backend.open(make_spec()) as sandbox:
            seen[at] = sandbox.exec(["sh", "-c", f"echo {at} > mine; sleep 0.2; cat mine"]).stdout

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {at: b"%d\n" % at for at in range(4)}


def test_a_sandbox_outlives_the_thread_that_opened_it(bubblewrap, make_spec):
    opened = bubblewrap.open(make_spec())
    held = []
    thread = threading.Thread(target=lambda: held.append(opened.__enter__()))
    thread.start()
    thread.join()
    time.sleep(0.1)
    try:
        assert held[0].exec(["echo", "alive"]).stdout == b"alive\n"
    finally:
        opened.__exit__(None, None, None)


def test_a_pool_hands_out_each_sandbox_once_and_opens_more_when_none_is_left(backend, make_spec):
    spec = make_spec()
    with SandboxPool(backend, [spec, spec]) as pool:
        pool.settle()
        for _ in range(3):
            with pool.open(spec) as sandbox:
                assert sandbox.exec(["sh", "-c", "ls; touch used"]).stdout == b""


def test_a_pool_hands_a_sandbox_out_for_its_own_spec_alone(bubblewrap, make_spec):
    plain = make_spec()
    other = replace(plain, variables={"WHICH": "other"})
    with SandboxPool(bubblewrap, [other]) as pool:
        for spec, seen in ((plain, b""), (other, b"other"), (other, b"other")):
            with pool.open(spec) as sandbox:
                assert sandbox.exec(["sh", "-c", 'printf %s "$WHICH"']).stdout == seen


def test_a_pool_that_has_settled_starts_nothing_more(bubblewrap, make_spec):
    spec = make_spec()
    with SandboxPool(bubblewrap, [spec, spec]) as pool:
        pool.settle()
        there = traces()
        with pool.open(spec), pool.open(spec):
            assert traces() == there


def test_a_pool_closes_what_nobody_took(bubblewrap, make_spec):
    run_many(bubblewrap, make_spec, 1)
    before = traces()
    with SandboxPool(bubblewrap, [make_spec()] * 3) as pool, pool.open(make_spec()):
        time.sleep(0.3)
    assert traces() == before


def test_a_pool_passes_the_failure_of_its_backend_on(bubblewrap, make_spec):
    spec = replace(make_spec(), mounts=(Mount(source=Path("/no/such/folder"), target="/x"),))
    with SandboxPool(bubblewrap, [spec]) as pool:
        pool.settle()
        with pytest.raises(SandboxError), pool.open(spec):
            pass


def test_a_pool_whose_sandboxes_never_started_is_left_without_a_word(bubblewrap, make_spec):
    spec = replace(make_spec(), mounts=(Mount(source=Path("/no/such/folder"), target="/x"),))
    with SandboxPool(bubblewrap, [spec, make_spec()]) as pool, pool.open(make_spec()) as sandbox:
        assert sandbox.exec(["true"]).exit_code == 0
