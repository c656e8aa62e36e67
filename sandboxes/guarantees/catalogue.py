"""The guarantees of a sandbox, each with the small program that tries it from inside.

Does not: run anything itself; `conformance.run_conformance` does.
To add one: write a check that returns None when the guarantee holds and a sentence otherwise, and list it in GUARANTEES.
"""

import os
import socket
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rsi.sandboxes.errors import FileTreeError, SandboxBrokenError
from rsi.sandboxes.guarantees.checks import Bench, Guarantee
from rsi.sandboxes.guarantees.probes import (
    CALL_PROGRAM,
    CONNECT_PROGRAM,
    DEVICE_PROGRAM,
    KERNEL_PROGRAM,
    PRIVILEGE_PROGRAM,
    READ_ONLY_PROGRAM,
    REFUSED_CALLS,
    SOCKET_PROGRAM,
    SUPERVISOR_PROGRAM,
)
from rsi.sandboxes.types import ExecOutcome, ExecResult, FileEntry, Mount, Sandbox

VARIABLES = {"PATH", "HOME", "LANG", "TMPDIR"}
SHELL_VARIABLES = {"LC_CTYPE", "PWD", "SHLVL", "_"}
"""Set by interpreters themselves."""
CPU_BURST_S = 0.4
CPU_TOLERANCE_S = 0.12
KILL_SLACK_S = 2.0


def _expect(actual: object, wanted: object, what: str) -> str | None:
    return None if actual == wanted else f"{what}: wanted {wanted!r}, got {actual!r}"


def _silent(program: str) -> Callable[[Bench], str | None]:
    """A check whose program prints only what should not be."""

    def check(bench: Bench) -> str | None:
        return bench.run(program) or None

    return check


def _runs_in_work(bench: Bench) -> str | None:
    program = "import os; print(os.path.basename(os.getcwd())); open('mark', 'w').close(); os.unlink('mark')"
    return _expect(bench.run(program), "work", "the working folder")


def _passes_bytes(bench: Bench) -> str | None:
    payload = bytes(range(256)) * 64
    result = bench.shared.exec(["cat"], stdin=payload)
    broken = bench.shared.exec(["sh", "-c", "printf '\\377' >&2; exit 3"])
    return (
        _expect(result.stdout == payload, True, "bytes through stdin and stdout unchanged")
        or _expect(broken.stderr, b"\xff", "stderr")
        or _expect((broken.outcome, broken.exit_code), (ExecOutcome.CRASHED, 3), "exit status")
    )


def _allows_only_variables(bench: Bench) -> str | None:
    result = bench.shared.exec(["env"], variables={"GIVEN": "1"})
    names = {
        line.split("=", 1)[0] for line in result.stdout.decode("utf-8", "replace").splitlines()
    }
    extra = names - VARIABLES - SHELL_VARIABLES - {"GIVEN"}
    return (
        f"variables {sorted(extra)} came along"
        if extra
        else _expect("GIVEN" in names, True, "a given variable")
    )


def _carries_files(bench: Bench) -> str | None:
    tree = (
        FileEntry(path="a/run.sh", content=b"#!/bin/sh\necho ran\n", is_executable=True),
        FileEntry(path="b" * 200 + "/" + "c" * 200, content=b"\0" * 70_000),
    )
    bench.shared.put(tree, "/work/carried")
    back = bench.shared.get("/work/carried", max_bytes=1 << 20)
    ran = bench.shared.exec(["./carried/a/run.sh"]).stdout
    bench.shared.exec(["rm", "-rf", "carried"])
    return _expect(back, tree, "the tree that came back") or _expect(
        ran, b"ran\n", "the executable file"
    )


def _refuses_odd_files(bench: Bench) -> str | None:
    makers = {
        "a symbolic link": "os.symlink('/etc/passwd', 'odd/x')",
        "a hard link": "open('odd/x', 'w').close(); os.link('odd/x', 'odd/y')",
        "a fifo": "os.mkfifo('odd/x')",
        "a socket": "import socket; socket.socket(socket.AF_UNIX).bind('odd/x')",
        "a name with a newline": "open('odd/a\\nb', 'w').close()",
        "a name with an escape": "open('odd/\\x1b[31m', 'w').close()",
        "a name that is no UTF-8": "open(b'odd/\\xff', 'w').close()",
        "a sparse giant": "open('odd/x', 'w').truncate(20 << 20)",
    }
    for what, maker in makers.items():
        made = bench.run(f"import os; os.mkdir('odd'); {maker}")
        try:
            bench.shared.get("/work/odd", max_bytes=1 << 20)
        except FileTreeError:
            continue
        else:
            return f"{what} was taken {made}"
        finally:
            bench.shared.exec(["rm", "-rf", "odd"])
    return None


def _bounds_file_counts(bench: Bench) -> str | None:
    bench.run("import os\nos.mkdir('many')\nfor i in range(30): open(f'many/{i}', 'w').close()")
    try:
        bench.shared.get("/work/many", max_bytes=1 << 20, max_files=20)
    except FileTreeError:
        return None
    finally:
        bench.shared.exec(["rm", "-rf", "many"])
    return "30 files were taken where 20 are allowed"


def _ends_every_process(bench: Bench) -> str | None:
    escape = "(setsid sh -c 'sleep 0.5; touch survivor' >/dev/null 2>&1 &) & exit 0"
    bench.shared.exec(["sh", "-c", escape])
    left = bench.shared.exec(["sh", "-c", "sleep 0.8; ls"]).stdout
    return "a process with its own session survived its command" if b"survivor" in left else None


def _counts_cpu(bench: Bench) -> str | None:
    # Each process tells what it used itself, its start included: a slow machine then moves both sides alike.
    burn = f"import time\nwhile time.process_time() < {CPU_BURST_S}: pass\n"
    plain = burn + "print(time.process_time())\n"
    orphan = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    "
    )
    orphan += burn.replace("\n", "\n    ")
    orphan += "with open('burning', 'w') as file: file.write(str(time.process_time()))\n"
    orphan += "    os.rename('burning', 'burnt')\n    os._exit(0)\n"
    orphan += "while not os.path.exists('burnt'): time.sleep(0.05)\n"
    orphan += "print(float(open('burnt').read()) + time.process_time())\nos.unlink('burnt')\n"
    for what, program in (("of the command", plain), ("of a double fork", orphan)):
        result = bench.shared.exec(["python", "-I", "-S", "-c", program])
        if result.outcome is not ExecOutcome.OK:
            return f"CPU time {what}: it ended as {result.outcome.value}"
        used = float(result.stdout)
        if not used - 0.02 <= result.cpu_s <= used + CPU_TOLERANCE_S:
            return f"CPU time {what}: {used:.3f} s were used, {result.cpu_s:.3f} s were counted"
    return None


def _caps_output(bench: Bench) -> str | None:
    limit = bench.spec.limits.output_bytes
    result = bench.shared.exec(["python", "-c", f"print('x' * {limit * 2})"])
    kept = (len(result.stdout) <= limit, result.is_truncated, result.outcome)
    return _expect(kept, (True, True, ExecOutcome.OK), "twice the allowed output")


def _fatal(bench: Bench, argv: list[str], wanted: ExecOutcome, **changes: object) -> str | None:
    """Run something that must end its sandbox in time and leave it unusable."""
    spec = bench.limited(**changes)
    with bench.backend.open(spec) as sandbox:
        result: ExecResult = sandbox.exec(argv)
        if result.outcome is not wanted or result.exit_code is not None:
            return f"ended as {result.outcome.value} with exit code {result.exit_code}"
        if result.wall_s > spec.limits.wall_s + KILL_SLACK_S:
            return f"took {result.wall_s:.1f} s with a limit of {spec.limits.wall_s} s"
        try:
            sandbox.exec(["true"])
        except SandboxBrokenError:
            return None
    return "the sandbox went on after it should have been killed"


def _stops_floods(bench: Bench) -> str | None:
    return _fatal(bench, ["sh", "-c", "yes"], ExecOutcome.OUTPUT_LIMIT)


def _keeps_deadlines(bench: Bench) -> str | None:
    stubborn = "trap '' TERM INT HUP; while :; do sleep 1; done"
    return _fatal(bench, ["sh", "-c", stubborn], ExecOutcome.TIMEOUT, wall_s=0.5)


def _limits_memory(bench: Bench) -> str | None:
    limit = bench.spec.limits.memory_bytes
    # Twice the limit and no more: a limit that does not bind must not hurt the machine.
    program = (
        f"x = [bytearray(b'x') * (1 << 20) for _ in range({2 * limit >> 20})]; print('all of it')"
    )
    with bench.backend.open(bench.spec) as sandbox:
        result = sandbox.exec(["python", "-c", program])
    return _expect(result.outcome, ExecOutcome.OOM, "twice the allowed memory")


def _limits_shared_memory(bench: Bench) -> str | None:
    return _fills(bench, "/dev/shm/x", bench.spec.limits.shm_bytes)  # noqa: S108 - inside


def _limits_disk(bench: Bench) -> str | None:
    work = _fills(bench, "/work/x", bench.spec.limits.disk_bytes)
    return work or _fills(bench, "/tmp/x", bench.spec.limits.disk_bytes)  # noqa: S108 - inside


def _fills(bench: Bench, path: str, limit: int) -> str | None:
    program = f"""
import os
written = 0
fd = os.open({path!r}, os.O_WRONLY | os.O_CREAT)
try:
    while written < {2 * limit}: written += os.write(fd, bytes(1 << 16))
except OSError: pass
os.unlink({path!r})
print(written)
"""
    written = bench.run(program)
    if not written.isdigit() or not 0 < int(written) <= limit:
        return f"{written} bytes could be written to {path}, {limit} are allowed"
    return None


def _limits_inodes(bench: Bench) -> str | None:
    limit = bench.spec.limits.inodes
    program = f"""
import os, shutil
made = 0
os.mkdir("/work/files")
try:
    for at in range({2 * limit}):
        os.close(os.open(f"/work/files/{{at}}", os.O_CREAT)); made += 1
except OSError: pass
shutil.rmtree("/work/files")
print(made)
"""
    made = bench.run(program)
    return (
        None if made.isdigit() and 0 < int(made) <= limit else f"{made} files, {limit} are allowed"
    )


def _limits_processes(bench: Bench) -> str | None:
    limit = bench.spec.limits.pids
    program = f"""
import os, time
made = 0
try:
    for _ in range({3 * limit}):
        if os.fork() == 0: time.sleep(30)
        made += 1
except OSError: pass
print(made, flush=True)
os._exit(0)
"""
    made = bench.run(program)
    return (
        None if made.isdigit() and 0 < int(made) <= limit else f"{made} forks, {limit} are allowed"
    )


def _limits_open_files(bench: Bench) -> str | None:
    limit = bench.spec.limits.open_files
    got = bench.run("import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))")
    return _expect(got, f"{limit} {limit}", "the limit of open files")


def _pins_cores(bench: Bench) -> str | None:
    core = min(os.sched_getaffinity(0))
    with bench.backend.open(bench.limited(cpus=(core,))) as sandbox:
        got = bench.run("import os; print(*os.sched_getaffinity(0))", sandbox=sandbox)
    return _expect(got, str(core), "the cores")


def _keeps_cores(bench: Bench) -> str | None:
    core = min(os.sched_getaffinity(0))
    program = """
import os
try: os.sched_setaffinity(0, range(os.cpu_count()))
except OSError: pass
print(*os.sched_getaffinity(0))
"""
    with bench.backend.open(bench.limited(cpus=(core,))) as sandbox:
        got = bench.run(program, sandbox=sandbox)
    return _expect(got, str(core), "the cores after a try to get others")


def _has_no_network(bench: Bench) -> str | None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return bench.run(CONNECT_PROGRAM % server.getsockname()[1]) or None


def _hides_abstract_sockets(bench: Bench) -> str | None:
    name = f"\0rsi-conformance-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        program = f"import socket\ntry: socket.socket(socket.AF_UNIX).connect({name!r}); print('connected')\n"
        return bench.run(program + "except OSError: pass") or None


def _hides_processes(bench: Bench) -> str | None:
    program = "import os; print(len([p for p in os.listdir('/proc') if p.isdigit()]))"
    seen = bench.run(program)
    return (
        None
        if seen in ("1", "2", "3")
        else f"{seen} processes can be seen, two are the sandbox's own"
    )


def _hides_files(bench: Bench) -> str | None:
    with tempfile.NamedTemporaryFile(prefix="rsi-canary-") as canary:
        Path(canary.name).chmod(0o644)
        places = [
            canary.name,
            __file__,
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/etc/shadow",
            "/proc/1/root/etc",
        ]
        return (
            bench.run(f"import os\nfor p in {places!r}:\n    if os.access(p, os.R_OK): print(p)")
            or None
        )


def _shows_mounts_read_only(bench: Bench) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)  # so that only the mount itself can refuse
        (Path(folder) / "given.txt").write_text("given")
        (Path(folder) / "given.txt").chmod(0o666)
        spec = replace(bench.spec, mounts=(Mount(source=Path(folder), target="/given"),))
        program = "print(open('/given/given.txt').read())\ntry: open('/given/given.txt', 'a'); print('written')\nexcept OSError: pass"
        with bench.backend.open(spec) as sandbox:
            return _expect(bench.run(program, sandbox=sandbox), "given", "a read-only mount")


def _starts_fresh(bench: Bench) -> str | None:
    def leave(sandbox: Sandbox) -> bytes:
        return sandbox.exec(
            [
                "sh",
                "-c",
                "ls -A /work /tmp /dev/shm | grep left; touch /work/left /tmp/left /dev/shm/left",
            ]
        ).stdout

    with bench.backend.open(bench.spec) as first:
        leave(first)
    with bench.backend.open(bench.spec) as second:
        return _expect(leave(second), b"", "what an earlier sandbox left")


GUARANTEES = (
    Guarantee(name="work", text="A command starts in /work, which it may write.", check=_runs_in_work, needs_wall=False),
    Guarantee(name="bytes", text="Streams carry any bytes; the exit status is told.", check=_passes_bytes, needs_wall=False),
    Guarantee(name="variables", text="Only the named environment variables are inside.", check=_allows_only_variables, needs_wall=False),
    Guarantee(name="files", text="Files go in and come out unchanged.", check=_carries_files, needs_wall=False),
    Guarantee(name="odd_files", text="Links, fifos, sockets, odd names and giants are refused on the way out.", check=_refuses_odd_files, needs_wall=False),
    Guarantee(name="file_count", text="No more files come out than are asked for.", check=_bounds_file_counts, needs_wall=False),
    Guarantee(name="ends", text="No process outlives its command.", check=_ends_every_process, needs_wall=False),
    Guarantee(name="cpu", text="CPU seconds of the whole tree are counted.", check=_counts_cpu, needs_wall=False),
    Guarantee(name="output", text="No more output is kept than allowed.", check=_caps_output, needs_wall=False),
    Guarantee(name="flood", text="A flood of output kills the sandbox.", check=_stops_floods, needs_wall=False),
    Guarantee(name="deadline", text="The deadline kills the sandbox, whatever it ignores.", check=_keeps_deadlines, needs_wall=False),
    Guarantee(name="memory", text="The memory of all processes together is limited.", check=_limits_memory, needs_wall=False),
    Guarantee(name="open_files", text="Open files are limited.", check=_limits_open_files, needs_wall=False),
    Guarantee(name="cores", text="Commands start on the cores they are given.", check=_pins_cores, needs_wall=False),
    Guarantee(name="processes", text="Processes are limited.", check=_limits_processes),
    Guarantee(name="kept_cores", text="Commands cannot leave the cores they are given.", check=_keeps_cores),
    Guarantee(name="disk", text="Bytes in /work and /tmp are limited.", check=_limits_disk),
    Guarantee(name="inodes", text="Files in /work and /tmp are limited.", check=_limits_inodes),
    Guarantee(name="shared_memory", text="Bytes in /dev/shm are limited.", check=_limits_shared_memory),
    Guarantee(name="read_only", text="Nothing else can be written.", check=_silent(READ_ONLY_PROGRAM)),
    Guarantee(name="mounts", text="Mounted inputs are read-only.", check=_shows_mounts_read_only),
    Guarantee(name="fresh", text="Nothing of an earlier sandbox is there.", check=_starts_fresh),
    Guarantee(name="network", text="There is no network.", check=_has_no_network),
    Guarantee(name="sockets", text="Only Unix and internet sockets exist.", check=_silent(SOCKET_PROGRAM)),
    Guarantee(name="abstract_sockets", text="Abstract sockets of the host cannot be reached.", check=_hides_abstract_sockets),
    Guarantee(name="host_processes", text="Processes of the host cannot be seen.", check=_hides_processes),
    Guarantee(name="host_files", text="Files of the host cannot be seen.", check=_hides_files),
    Guarantee(name="privileges", text="No user, capability or setuid program has power.", check=_silent(PRIVILEGE_PROGRAM)),
    Guarantee(name="calls", text="Dangerous system calls are refused.", check=_silent(CALL_PROGRAM % REFUSED_CALLS)),
    Guarantee(name="supervisor", text="The supervisor cannot be read or changed.", check=_silent(SUPERVISOR_PROGRAM)),
    Guarantee(name="kernel", text="Kernel settings cannot be written.", check=_silent(KERNEL_PROGRAM)),
    Guarantee(name="devices", text="Only harmless devices exist and none can be made.", check=_silent(DEVICE_PROGRAM)),
)  # fmt: skip
"""All of them, gentle ones first."""
