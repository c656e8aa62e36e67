"""First process of every sandbox: runs one command at a time, relays its streams, counts its CPU, kills its tree.

Runs inside the sandbox from its source text, so it needs nothing but a Python >= 3.8 with its standard library.
It is PID 1 of a PID namespace, or a child subreaper where there is none. It dies with its owner: the end of its
standard input is the end of everything it started.
Does not: judge. Every number it reports is also bounded from outside where the machine allows it.
Invariant: when a "finished" frame leaves, no process of that command is alive; after a H frame, none is running.

Frames in both directions: one byte of kind, four bytes of length (big-endian), payload.
To the supervisor: X command, I stdin bytes, E end of stdin, K kill the command, P pause it, G let it go on,
H let what earlier commands left go on, and from now on stop what a command leaves instead of killing it.
From it: R ready, O stdout bytes, S stderr bytes, P paused with the CPU microseconds spent so far, F finished.
"""

# pathlib and subprocess would double the start-up time:
# ruff: noqa: PTH123, PTH208, S606

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` spends milliseconds on making enums
import os
import select
import sys

CHUNK_BYTES = 1 << 16
STDIN_BACKLOG_BYTES = 4 << 20  # the control stream rests while the command is slow to read
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
VICTIM_SCORE = 300  # added to the command's oom_score_adj
CPU_FILES = (
    "/sys/fs/cgroup/cpuacct/cpuacct.usage",
    "/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage",
    "/sys/fs/cgroup/cpu.stat",
)
OOM_FILES = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")
PEAK_FILES = ("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory.peak")


class Job:
    """The command in flight: its main process, its pipes and what it has cost."""

    def __init__(self, payload: bytes, rlimits: dict[str, int]) -> None:
        fields = payload.split(b"\0")
        cwd, deadline_s, env_count = fields[0], float(fields[1]), int(fields[2])
        pairs = (pair.partition(b"=") for pair in fields[3 : 3 + env_count])
        env = {name: value for name, _, value in pairs}
        self.backlog = bytearray()
        self.is_stdin_over = False
        self.status: int | None = None
        self.cpu_us = 0
        self.max_rss_kb = 0
        child_stdin, stdin = os.pipe()
        self.stdin: int | None = stdin
        self.stdout, child_stdout = os.pipe()
        self.stderr, child_stderr = os.pipe()
        self.open_outputs = {self.stdout, self.stderr}
        for fd in (stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)
        _signal.setitimer(_signal.ITIMER_REAL, deadline_s)
        self.cgroup_ns = first_number(CPU_FILES, b"usage_usec", 1000)
        self.pid = os.fork()
        if self.pid == 0:
            streams = (child_stdin, child_stdout, child_stderr)
            become(fields[3 + env_count :], env, cwd, streams, rlimits)
        for fd in (child_stdin, child_stdout, child_stderr):
            os.close(fd)

    def feed(self) -> None:
        """Write what is waiting; close the pipe when it is all gone or nobody reads."""
        if self.stdin is None:
            return
        try:
            while self.backlog:
                del self.backlog[: os.write(self.stdin, self.backlog[:CHUNK_BYTES])]
        except BlockingIOError:
            return
        except OSError:
            self.backlog.clear()
            self.is_stdin_over = True
        if self.is_stdin_over:
            os.close(self.stdin)
            self.stdin = None

    def note(self, pid: int, status: int, usage: object) -> None:
        """Add one reaped process; its usage includes the children that it reaped itself."""
        self.cpu_us += round((usage.ru_utime + usage.ru_stime) * 1e6)  # type: ignore[attr-defined]  # resource.struct_rusage
        self.max_rss_kb = max(self.max_rss_kb, usage.ru_maxrss)  # type: ignore[attr-defined]
        if pid == self.pid:
            is_signal = os.WIFSIGNALED(status)
            self.status = -os.WTERMSIG(status) if is_signal else os.WEXITSTATUS(status)

    def spent_us(self) -> int:
        """CPU microseconds of the command's whole tree so far."""
        # Only behind a wall is the control group that is seen here the sandbox's own; else it is the whole machine's.
        now_ns = first_number(CPU_FILES, b"usage_usec", 1000) if os.getpid() == 1 else None
        if self.cgroup_ns is not None and now_ns is not None:
            return (now_ns - self.cgroup_ns) // 1000
        ticks = sum(spent_ticks(pid) for pid in descendants(os.getpid()))
        return self.cpu_us + ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")

    def report(self) -> bytes:
        """The payload of a finished frame: six integers, "-" for what is not known."""
        after = first_number(CPU_FILES, b"usage_usec", 1000)
        is_counted = self.cgroup_ns is not None and after is not None
        facts = (
            self.status,
            self.cpu_us,
            self.max_rss_kb,
            after - self.cgroup_ns if is_counted else None,  # type: ignore[operator]  # both are numbers then
            first_number(OOM_FILES, b"oom_kill", 1),
            first_number(PEAK_FILES, b"", 1),
        )
        return " ".join("-" if fact is None else str(fact) for fact in facts).encode()


class Supervisor:
    """Serves one owner over standard input and output.

    Args:
        options: NAME=number words: NOFILE, NPROC, FSIZE, CORE, the limits of commands.
    """

    def __init__(self, options: list[str]) -> None:
        named = dict(word.split("=", 1) for word in options)
        self.rlimits = {name: int(value) for name, value in named.items()}
        self.is_init = os.getpid() == 1
        self.incoming = bytearray()
        self.job: Job | None = None
        self.is_keeping = False
        self.wake = self.harden()

    def harden(self) -> int:
        """Close the ways by which code of the same user could reach this process; returns the wake-up pipe."""
        prctl(PR_SET_DUMPABLE, 0)
        if not self.is_init:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        _signal.signal(_signal.SIGALRM, self.alarm)
        wake_read, wake_write = os.pipe()
        for fd in (wake_read, wake_write):
            os.set_blocking(fd, False)
        _signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        return wake_read

    def serve(self) -> None:
        """Read frames and relay streams until the owner goes away."""
        self.send(b"R", sys.executable.encode())
        while True:
            poller = select.poll()
            for fd, events in self.interests().items():
                poller.register(fd, events)
            for fd, _ in poller.poll():
                self.attend(fd)
            self.take_frames()
            self.reap()
            if self.job is not None and self.job.status is not None:
                self.finish(self.job)
                self.job = None

    def interests(self) -> dict[int, int]:
        """File descriptors to wait for in the present state."""
        job = self.job
        watched = {self.wake: select.POLLIN}
        if job is None or len(job.backlog) < STDIN_BACKLOG_BYTES:
            watched[0] = select.POLLIN
        if job is not None:
            watched.update((fd, select.POLLIN) for fd in job.open_outputs)
            if job.stdin is not None and (job.backlog or job.is_stdin_over):
                watched[job.stdin] = select.POLLOUT
        return watched

    def attend(self, fd: int) -> None:
        """Handle one descriptor that is ready."""
        job = self.job
        if fd == self.wake:
            os.read(fd, CHUNK_BYTES)
        elif fd == 0:
            chunk = os.read(0, CHUNK_BYTES)
            if not chunk:
                self.give_up()
            self.incoming += chunk
        elif job is not None and fd == job.stdin:
            job.feed()
        elif job is not None and fd in job.open_outputs and not self.relay(job, fd):
            job.open_outputs.discard(fd)

    def take_frames(self) -> None:
        """Act on every frame that has arrived whole."""
        while len(self.incoming) >= 5:
            end = 5 + int.from_bytes(self.incoming[1:5], "big")
            if len(self.incoming) < end:
                return
            kind, payload = bytes(self.incoming[:1]), bytes(self.incoming[5:end])
            del self.incoming[:end]
            job = self.job
            if job is None:
                self.job = Job(payload, self.rlimits) if kind == b"X" else None
            elif kind == b"I" and job.stdin is not None:
                job.backlog += payload
            elif kind == b"E":
                job.is_stdin_over = True
            elif kind == b"K":
                self.kill_tree()
            elif kind == b"P":
                self.signal_all(_signal.SIGSTOP)
                self.send(b"P", str(job.spent_us()).encode())
            elif kind == b"G":
                self.signal_all(_signal.SIGCONT)
            elif kind == b"H":
                self.is_keeping = True
                self.signal_all(_signal.SIGCONT)

    def relay(self, job: Job, fd: int) -> bool:
        """Pass one chunk on; False at the end of the stream or when nothing is there."""
        try:
            chunk = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return False
        if chunk:
            self.send(b"O" if fd == job.stdout else b"S", chunk)
        return bool(chunk)

    def send(self, kind: bytes, payload: bytes) -> None:
        """Write one frame; an owner that is gone ends everything."""
        view = memoryview(kind + len(payload).to_bytes(4, "big") + payload)
        while view:
            try:
                view = view[os.write(1, view) :]
            except OSError:
                self.give_up()

    def finish(self, job: Job) -> None:
        """End or stop what is left of the tree, empty the pipes, report."""
        if self.is_keeping:
            self.signal_all(_signal.SIGSTOP)
        else:
            self.kill_tree()
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        report = job.report()
        for fd in (job.stdout, job.stderr):
            while self.relay(job, fd):
                pass
            os.close(fd)
        if job.stdin is not None:
            os.close(job.stdin)
        self.send(b"F", report)

    def reap(self) -> None:
        """Collect whoever has ended, orphans included."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.job is not None:
                self.job.note(pid, status, usage)

    def kill_tree(self) -> None:
        """Kill and reap until no descendant is left, counting what each one used."""
        while True:
            self.signal_all(_signal.SIGKILL)
            try:
                pid, status, usage = os.wait4(-1, 0)
            except ChildProcessError:
                return
            if self.job is not None:
                self.job.note(pid, status, usage)

    def signal_all(self, number: int) -> None:
        """Send a signal to every process of the sandbox but this one.

        One call reaches all of a PID namespace, and none can fork away from it. Without one the tree is walked
        until no unknown process appears; whoever kills calls again until none is left.
        """
        if self.is_init:
            deliver(-1, number)
            return
        reached: set[int] = set()
        while fresh := descendants(os.getpid()) - reached:
            for pid in fresh:
                deliver(pid, number)
            reached |= fresh

    def alarm(self, *_: object) -> None:
        """The deadline passed and the owner did nothing. A signal sent from inside changes nothing."""
        if _signal.getitimer(_signal.ITIMER_REAL)[0] == 0 and self.job is not None:
            self.give_up()

    def give_up(self) -> None:
        """End everything and leave."""
        self.kill_tree()
        os._exit(3)


def deliver(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except OSError:
        return


def become(
    argv: list[bytes],
    env: dict[bytes, bytes],
    cwd: bytes,
    streams: tuple[int, int, int],
    rlimits: dict[str, int],
) -> None:
    """In the forked child: take on limits, folder and streams, then the command itself. Never returns."""
    try:
        prctl(PR_SET_DUMPABLE, 1)  # or the file below would not be ours to write
        make_first_victim()
        os.setsid()
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
            _signal.signal(number, _signal.SIG_DFL)
        apply_rlimits(rlimits)
        for fd, stream in enumerate(streams):
            os.dup2(stream, fd)
        os.chdir(cwd)
        execute(argv, env)
    except OSError as error:
        reason = (error.strerror or "error").encode()
        os.write(streams[2], b"cannot run " + argv[0] + b" in " + cwd + b": " + reason + b"\n")
    finally:
        os._exit(127)


def execute(argv: list[bytes], env: dict[bytes, bytes]) -> None:
    """Replace this process, searching PATH like a shell."""
    if b"/" in argv[0]:
        os.execve(argv[0], argv, env)
    for folder in env.get(b"PATH", b"/usr/bin:/bin").split(b":"):
        try:
            os.execve(folder + b"/" + argv[0], argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise FileNotFoundError(2, "no such program")


def make_first_victim() -> None:
    """When memory runs out the kernel should end the command, not its supervisor."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            score = int(file.read()) + VICTIM_SCORE
            file.seek(0)
            file.write(str(min(1000, score)))
    except (OSError, ValueError):
        return


def apply_rlimits(rlimits: dict[str, int]) -> None:
    """Set the limits, never above what is already allowed."""
    import resource

    for name, number in rlimits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        ceiling = resource.getrlimit(kind)[1]
        wanted = number if ceiling == resource.RLIM_INFINITY else min(number, ceiling)
        resource.setrlimit(kind, (wanted, wanted))


def descendants(root: int) -> set[int]:
    """Pids of every process below `root`, by a walk over /proc."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/" + name + "/stat", "rb") as file:
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    family = {root}
    while True:
        found = {pid for pid, parent in parents.items() if parent in family} - family
        if not found:
            return family - {root}
        family |= found


def spent_ticks(pid: int) -> int:
    """User and system time of a process and of the children that it waited for; 0 when it is gone."""
    try:
        with open("/proc/" + str(pid) + "/stat", "rb") as file:
            return sum(map(int, file.read().rpartition(b")")[2].split()[11:15]))
    except (OSError, ValueError):
        return 0


def first_number(paths: tuple[str, ...], key: bytes, scale: int) -> int | None:
    """The number in the first readable file, behind `key` where the file has keys; None without one."""
    for path in paths:
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            continue
        if text.strip().isdigit():
            return int(text)
        for line in text.splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == key:
                return int(words[1]) * scale
    return None


def prctl(option: int, value: int) -> None:
    """Do what prctl does in C, without the start-up cost of importing all of ctypes."""
    import _ctypes

    program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None is the program itself
    symbol = _ctypes.dlsym(program, "prctl")
    _ctypes.call_function(symbol, (option, value, 0, 0, 0))


if __name__ == "__main__":
    Supervisor(sys.argv[1:]).serve()
