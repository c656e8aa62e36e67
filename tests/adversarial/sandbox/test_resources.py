"""Attacks on the machine's resources: processes, memory, disk, files, output, time, and hidden CPU work."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from rsi.sandboxes.errors import SandboxBrokenError
from rsi.sandboxes.types import ExecOutcome

pytestmark = pytest.mark.slow

MEBIBYTE = 1 << 20
FORKS = 120
FORK_BOMB = f"""
import os, time
made = 0
try:
    for _ in range({FORKS}):
        if os.fork() == 0: time.sleep(20); os._exit(0)
        made += 1
except OSError: pass
print(made, flush=True)
os._exit(0)
"""
THREAD_BOMB = f"""
import threading, time
made = 0
try:
    for _ in range({FORKS}):
        threading.Thread(target=time.sleep, args=(20,), daemon=True).start(); made += 1
except RuntimeError: pass
print(made, flush=True)
import os; os._exit(0)
"""
BOMB_MEBIBYTES = 300
MEMORY_BOMBS = {
    "one process": f"x = [bytearray(b'x') * (1 << 20) for _ in range({BOMB_MEBIBYTES})]; print('all')",
    "four processes": f"""
import os, time
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        x = [bytearray(b'x') * (1 << 20) for _ in range({BOMB_MEBIBYTES // 4})]
        time.sleep(0.6)
        os._exit(0)
    children.append(pid)
if all(os.waitpid(pid, 0)[1] == 0 for pid in children): print('all')
""",
    "shared memory": f"""
import mmap
x = mmap.mmap(-1, {BOMB_MEBIBYTES} << 20)
for at in range({BOMB_MEBIBYTES}): x[at << 20:(at + 1) << 20] = b'x' * (1 << 20)
import time; time.sleep(0.3)
print('all')
""",
}


@pytest.mark.parametrize("bomb", [FORK_BOMB, THREAD_BOMB], ids=["forks", "threads"])
def test_a_fork_bomb(arena, walls_up, bomb):
    result = arena.run(bomb, without=() if walls_up else ("pids",), memory_bytes=512 * MEBIBYTE)
    made = int(result.stdout)
    assert (made <= 32) if walls_up else (made == FORKS)


@pytest.mark.parametrize("bomb", list(MEMORY_BOMBS))
def test_a_memory_bomb(arena, walls_up, bomb):
    limit = 128 if walls_up else 2 * BOMB_MEBIBYTES
    result = arena.run(MEMORY_BOMBS[bomb], memory_bytes=limit * MEBIBYTE)
    if walls_up:
        assert result.outcome is ExecOutcome.OOM
        assert b"all" not in result.stdout
    else:
        assert (result.outcome, result.stdout) == (ExecOutcome.OK, b"all\n")


FILL = """
import os
written = 0
fd = os.open(%r, os.O_WRONLY | os.O_CREAT)
try:
    while written < 24 << 20: written += os.write(fd, bytes(1 << 16))
except OSError: pass
print(written)
"""


@pytest.mark.parametrize("place", ["/work/x", "/tmp/x", "/dev/shm/x"])
def test_filling_the_disk(arena, walls_up, place):
    if arena.kind == "docker" and place.startswith("/dev/shm") and not walls_up:
        pytest.skip("an engine always sizes /dev/shm")
    without = () if walls_up else ("sized_tmpfs",)
    result = arena.run(FILL % place, without=without)
    limit = (4 if place.startswith("/dev/shm") else 16) * MEBIBYTE
    assert (int(result.stdout) <= limit) is walls_up


INODES = """
import os
made = 0
try:
    for at in range(900): os.close(os.open(f"/work/{at}", os.O_CREAT)); made += 1
except OSError: pass
print(made)
"""


def test_filling_the_inodes(arena, walls_up):
    result = arena.run(INODES, without=() if walls_up else ("sized_tmpfs",))
    assert (int(result.stdout) <= 300) is walls_up


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "piece", ["'y\\n'", "'y'", "'\\udcff'"], ids=["lines", "one line", "no UTF-8"]
)
def test_an_output_flood(arena, walls_up, stream, piece):
    flood = f"""
import sys
raw = sys.{stream}.buffer
piece = {piece}.encode('utf-8', 'surrogateescape') * 4096
for _ in range((2 << 20) // len(piece)): raw.write(piece)
"""
    result = arena.run(flood, output_bytes=(64 << 10) if walls_up else 4 * MEBIBYTE)
    if walls_up:
        assert (result.outcome, result.exit_code) == (ExecOutcome.OUTPUT_LIMIT, None)
        assert len(result.stdout) + len(result.stderr) <= 64 << 10
    else:
        assert result.outcome is ExecOutcome.OK
        assert len(getattr(result, stream)) > 1_900_000


STUBBORN = {
    "sleeps": "import time; time.sleep(1.2)",
    "ignores every signal": (
        "import signal, time\n"
        "for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(s, signal.SIG_IGN)\n"
        "time.sleep(1.2)"
    ),
    "closes its streams": "import os, time; os.closerange(0, 64); time.sleep(1.2)",
    "hides behind a new session": (
        "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(1.2); os._exit(0)\nos.wait()"
    ),
}


@pytest.mark.parametrize("way", list(STUBBORN))
def test_running_past_the_deadline(arena, walls_up, way):
    with arena.open(wall_s=0.4 if walls_up else 10.0) as sandbox:
        result = sandbox.exec(["python", "-c", STUBBORN[way]])
        if not walls_up:
            assert result.outcome is ExecOutcome.OK
            return
        assert (result.outcome, result.exit_code) == (ExecOutcome.TIMEOUT, None)
        assert result.wall_s < 2
        with pytest.raises(SandboxBrokenError):
            sandbox.exec(["true"])


def test_a_process_that_stops_itself_meets_its_deadline(arena):
    result = arena.run("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", wall_s=0.4)
    assert result.outcome is ExecOutcome.TIMEOUT


ESCAPE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.5)
        open(sys.argv[1] + "/survivor", "w").close()
    os._exit(0)
"""


def test_surviving_by_double_fork_and_setsid(arena, walls_up, tmp_path):
    if walls_up:
        with arena.open() as sandbox:
            sandbox.exec(["python", "-c", ESCAPE, "/work"])
            time.sleep(0.8)
            assert sandbox.get("/work", max_bytes=100) == ()
        return
    # What everybody writes first: a process group, killed at the end.
    with subprocess.Popen(
        [sys.executable, "-c", ESCAPE, str(tmp_path)], start_new_session=True
    ) as naive:
        naive.wait()
    time.sleep(0.2)  # the orphan has its own session by now
    with contextlib.suppress(ProcessLookupError):
        os.killpg(naive.pid, signal.SIGKILL)
    time.sleep(0.9)
    assert (tmp_path / "survivor").exists()


HIDDEN_WORK = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if os.fork() == 0:
    while time.process_time() < 0.5: pass
    open("done", "w").close(); os._exit(0)
while not os.path.exists("done"): time.sleep(0.01)
time.sleep(0.05)
"""


def test_hiding_cpu_work_in_children_that_nobody_waits_for(arena, walls_up, tmp_path):
    if walls_up:
        counted_s = arena.run(HIDDEN_WORK).cpu_s
    else:
        # The usual way to count: the resource usage of a child that was waited for.
        import resource

        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-S", "-c", HIDDEN_WORK], cwd=tmp_path, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        counted_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert (counted_s > 0.4) is walls_up
