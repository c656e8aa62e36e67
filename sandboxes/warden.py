"""First process of every sandbox: runs one command at a time, relays its streams, counts its CPU, kills its tree.

Runs inside the sandbox from its source text, so it needs nothing but a Python >= 3.8 with its standard library.
It is PID 1 of a PID namespace, or a child subreaper where there is none. It dies with its owner: the end of its
standard input is the end of everything it started.
Does not: judge. Every number it reports is also bounded from outside where the machine allows it.
Invariant: when a "finished" frame leaves, no process of that command is alive.

Frames in both directions: one byte of kind, four bytes of length (big-endian), payload.
To the warden: X command, I stdin bytes, E end of stdin, K kill the command.
From it: R ready, O stdout bytes, S stderr bytes, F finished.
"""

import _signal
import os
import select
import sys

CHUNK_BYTES = 1 << 16
STDIN_BACKLOG_BYTES = 4 << 20  # the control stream rests while the command is slow to read
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
CPU_FILES = (
    "/sys/fs/cgroup/cpuacct/cpuacct.usage",
    "/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage",
    "/sys/fs/cgroup/cpu.stat",
)
OOM_FILES = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")
PEAK_FILES = ("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory.peak")


class Job:
    """The command in flight: its main process, its pipes and what it has cost."""

    def __init__(self, payload):
        fields = payload.split(b"\0")
        cwd, deadline_s, env_count = fields[0], float(fields[1]), int(fields[2])
        env = dict(pair.split(b"=", 1) for pair in fields[3 : 3 + env_count])
        argv = fields[3 + env_count :]
        self.backlog = bytearray()
        self.is_stdin_over = False
        self.status = None
        self.cpu_us = 0
        self.max_rss_kb = 0
        self.open_outputs = set()
        self.cgroup_ns = first_number(CPU_FILES, b"usage_usec", 1000)
        child_stdin, self.stdin = os.pipe()
        self.stdout, child_stdout = os.pipe()
        self.stderr, child_stderr = os.pipe()
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)
        _signal.setitimer(_signal.ITIMER_REAL, deadline_s)
        self.pid = os.fork()
        if self.pid == 0:
            become(argv, env, cwd, (child_stdin, child_stdout, child_stderr))
        for fd in (child_stdin, child_stdout, child_stderr):
            os.close(fd)
        self.open_outputs = {self.stdout, self.stderr}

    def feed(self):
        """Write what is waiting; close the pipe when it is all gone or nobody reads."""
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

    def relay(self, fd):
        """Pass one chunk on; False at the end of the stream or when nothing is there."""
        try:
            chunk = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            return False
        send(b"O" if fd == self.stdout else b"S", chunk)
        return True

    def note(self, usage):
        """Add the resource usage of one reaped process (its own reaped children are in it)."""
        self.cpu_us += round((usage.ru_utime + usage.ru_stime) * 1e6)
        self.max_rss_kb = max(self.max_rss_kb, usage.ru_maxrss)

    def finish(self):
        """End what is left of the tree, empty the pipes, report."""
        kill_tree(self)
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        for fd in (self.stdout, self.stderr):
            while self.relay(fd):
                pass
            os.close(fd)
        if self.stdin is not None:
            os.close(self.stdin)
        before, after = self.cgroup_ns, first_number(CPU_FILES, b"usage_usec", 1000)
        cgroup_ns = None if before is None or after is None else after - before
        facts = (
            self.status,
            self.cpu_us,
            self.max_rss_kb,
            cgroup_ns,
            first_number(OOM_FILES, b"oom_kill", 1),
            first_number(PEAK_FILES, None, 1),
        )
        send(b"F", " ".join("-" if fact is None else str(fact) for fact in facts).encode())


def first_number(paths, key, scale):
    """The number in the first readable file, after `key` where the file has keys; None without one."""
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


def prctl(option, value):
    """Call prctl(2) without importing all of ctypes, which would double the start-up time."""
    import _ctypes

    _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl"), (option, value, 0, 0, 0))


def become(argv, env, cwd, streams):
    """In the forked child: take on limits, folder and streams, then the command itself. Never returns."""
    try:
        prctl(PR_SET_DUMPABLE, 1)
        os.setsid()
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
            _signal.signal(number, _signal.SIG_DFL)
        make_first_victim()
        apply_rlimits()
        for fd, stream in enumerate(streams):
            os.dup2(stream, fd)
        os.chdir(cwd)
        execute(argv, env)
    except OSError as error:
        text = b"cannot run " + argv[0] + b": " + (error.strerror or "error").encode() + b"\n"
        os.write(2, text)
    except BaseException as error:
        os.write(2, repr(error).encode() + b"\n")
    finally:
        os._exit(127)


def execute(argv, env):
    """Replace this process, searching PATH like a shell."""
    if b"/" in argv[0]:
        os.execve(argv[0], argv, env)
    for folder in env.get(b"PATH", b"/usr/bin:/bin").split(b":"):
        try:
            os.execve(folder + b"/" + argv[0], argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise FileNotFoundError(2, "no such program")


def make_first_victim():
    """When memory runs out the kernel should end the command, not its warden."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            adjustment = int(file.read())
            file.seek(0)
            file.write(str(min(1000, adjustment + 300)))
    except (OSError, ValueError):
        return


def apply_rlimits():
    """Set the limits given on the command line, never above what is already allowed."""
    import resource

    for name in ("NOFILE", "NPROC", "FSIZE", "CORE"):
        if name in OPTIONS:
            kind = getattr(resource, "RLIMIT_" + name)
            wanted = int(OPTIONS[name])
            ceiling = resource.getrlimit(kind)[1]
            if ceiling != resource.RLIM_INFINITY:
                wanted = min(wanted, ceiling)
            resource.setrlimit(kind, (wanted, wanted))


def send(kind, payload):
    """Write one frame; an owner that is gone ends everything."""
    view = memoryview(kind + len(payload).to_bytes(4, "big") + payload)
    while view:
        try:
            view = view[os.write(1, view) :]
        except OSError:
            give_up()


def kill_tree(job):
    """Kill and reap until no descendant is left, counting what each one used."""
    while True:
        if IS_INIT:
            try:
                os.kill(-1, _signal.SIGKILL)
            except ProcessLookupError:
                pass
        else:
            kill_descendants()
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return
        if job is not None:
            job.note(usage)
            if pid == job.pid:
                job.status = exit_code(status)


def kill_descendants():
    """Kill every process below this one; the caller repeats it until none is left."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/" + name + "/stat", "rb") as file:
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    family = {os.getpid()}
    while True:
        found = {pid for pid, parent in parents.items() if parent in family} - family
        if not found:
            break
        family |= found
    for pid in family - {os.getpid()}:
        try:
            os.kill(pid, _signal.SIGKILL)
        except OSError:
            continue


def exit_code(status):
    """Exit status as a shell-independent number: negative for a signal."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def reap(job):
    """Collect whoever has ended, orphans included."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if job is not None:
            job.note(usage)
            if pid == job.pid:
                job.status = exit_code(status)


def give_up(*_):
    """End everything and leave; a signal sent from inside before the time is up changes nothing."""
    if _ and _signal.getitimer(_signal.ITIMER_REAL)[0] > 0:
        return
    kill_tree(None)
    os._exit(3)


def harden():
    """Close the ways by which code of the same user could reach this process."""
    prctl(PR_SET_DUMPABLE, 0)
    if not IS_INIT:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    if "CPUS" in OPTIONS:
        os.sched_setaffinity(0, {int(cpu) for cpu in OPTIONS["CPUS"].split(",")})
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    _signal.signal(_signal.SIGALRM, give_up)
    wake_read, wake_write = os.pipe()
    for fd in (wake_read, wake_write):
        os.set_blocking(fd, False)
    _signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    return wake_read


def interests(job, wake):
    """File descriptors to wait for in the present state."""
    watched = {wake: select.POLLIN}
    if job is None or len(job.backlog) < STDIN_BACKLOG_BYTES:
        watched[0] = select.POLLIN
    if job is not None:
        for fd in job.open_outputs:
            watched[fd] = select.POLLIN
        if job.stdin is not None and (job.backlog or job.is_stdin_over):
            watched[job.stdin] = select.POLLOUT
    return watched


def obey(kind, payload, job):
    """Act on one frame from the owner; returns the job in flight."""
    if kind == b"X" and job is None:
        job = Job(payload)
    elif job is not None and kind == b"I" and job.stdin is not None and not job.is_stdin_over:
        job.backlog += payload
    elif job is not None and kind == b"E":
        job.is_stdin_over = True
    elif job is not None and kind == b"K":
        kill_tree(job)
    return job


def serve():
    """Read frames and relay streams until the owner goes away."""
    wake = harden()
    send(b"R", sys.executable.encode())
    incoming = bytearray()
    job = None
    while True:
        poller = select.poll()
        for fd, events in interests(job, wake).items():
            poller.register(fd, events)
        for fd, _ in poller.poll():
            if fd == wake:
                while True:
                    try:
                        os.read(wake, 512)
                    except BlockingIOError:
                        break
            elif fd == 0:
                chunk = os.read(0, CHUNK_BYTES)
                if not chunk:
                    give_up()
                incoming += chunk
            elif job is not None and fd == job.stdin:
                job.feed()
            elif job is not None and fd in job.open_outputs and not job.relay(fd):
                job.open_outputs.discard(fd)
        while len(incoming) >= 5:
            end = 5 + int.from_bytes(incoming[1:5], "big")
            if len(incoming) < end:
                break
            kind, payload = bytes(incoming[:1]), bytes(incoming[5:end])
            del incoming[:end]
            job = obey(kind, payload, job)
        reap(job)
        if job is not None and job.status is not None:
            job.finish()
            job = None


OPTIONS = dict(word.split("=", 1) for word in sys.argv[1:])
IS_INIT = os.getpid() == 1

if __name__ == "__main__":
    serve()
