"""The small program that runs inside the agent's sandbox for each file or shell tool.

It is sent as source text and run by the sandbox's own Python, so it may import the standard library
only. It reads one JSON job from stdin and writes one JSON line, then raw bytes, to stdout.
Why not plain `sh`: a command that prints without end or never returns would trip the sandbox's own
limits, and those kill the sandbox with all of the agent's work. Here the command is stopped alone.
Does not: guard anything. The wall is the sandbox; whatever this prints is untrusted.
"""

SOURCE = r"""
import json, os, selectors, shutil, signal, subprocess, sys, time

def answer(head, body=b""):
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + body)
    sys.stdout.buffer.flush()

def listing(path, limit):
    rows = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__pycache__")
        for name in sorted(set(files) - {".git"}):
            full = os.path.join(folder, name)
            try:
                size = os.lstat(full).st_size
            except OSError:
                continue
            rows.append("%9d  %s" % (size, os.path.relpath(full, path)))
            if len(rows) >= limit:
                return rows, True
    return rows, False

def read(job):
    path = job["path"]
    if os.path.isdir(path):
        rows, cut = listing(path, 500)
        return answer({"kind": "folder", "cut": cut}, "\n".join(rows).encode("utf-8", "replace"))
    if not os.path.exists(path):
        parent = os.path.dirname(path) or "."
        near = sorted(os.listdir(parent))[:40] if os.path.isdir(parent) else []
        return answer({"kind": "missing"}, os.fsencode("\n".join(near)))
    if not os.path.isfile(path):
        return answer({"kind": "odd"})
    size = os.path.getsize(path)
    if size > job["max_bytes"]:
        return answer({"kind": "large", "size": size})
    with open(path, "rb") as file:
        body = file.read(job["max_bytes"])
    answer({"kind": "file", "executable": os.access(path, os.X_OK)}, body)

SHELL = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
JOBS = "../.jobs"

def shell(job):
    keep = job["keep_bytes"]
    child = subprocess.Popen([SHELL, "-c", job["command"]], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    fd = child.stdout.fileno()
    os.set_blocking(fd, False)
    watch = selectors.DefaultSelector()
    watch.register(fd, selectors.EVENT_READ)
    head, tail, total, started, ended, state = b"", b"", 0, time.monotonic(), None, "exited"
    while True:
        now = time.monotonic()
        if ended is None and child.poll() is not None:
            ended = now
        if ended is not None and now - ended > 0.5:
            break
        if now - started > job["wall_s"]:
            state = "timeout"
            break
        if total > 50 * keep:
            state = "flooded"
            break
        if not watch.select(0.05):
            if ended is not None:
                break
            continue
        try:
            piece = os.read(fd, 1 << 16)
        except BlockingIOError:
            continue
        if not piece:
            if ended is None:
                try:
                    child.wait(max(0.0, job["wall_s"] - (time.monotonic() - started)))
                except subprocess.TimeoutExpired:
                    state = "timeout"
            break
        total += len(piece)
        room = keep // 2 - len(head)
        head += piece[:max(0, room)]
        tail = (tail + piece[max(0, room):])[-(keep // 2):]
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    child.wait()
    dropped = total - len(head) - len(tail)
    gap = (b"\n[%d bytes not kept]\n" % dropped) if dropped else b""
    answer({"state": state, "code": child.returncode, "total": total,
        "wall_s": time.monotonic() - started}, head + gap + tail)

# Keeps what a background command prints, and how it ended; one that prints without end loses its pipe before the disk is
# full. A command that left no ending and has no process was killed.
KEEPER = '''
import os, subprocess, sys
shell, command, name, most = sys.argv[1:5]
child = subprocess.Popen([shell, "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT)
fd, left = child.stdout.fileno(), int(most)
with open(name + ".out", "wb", buffering=0) as out:
    while left > 0 and (piece := os.read(fd, 1 << 16)):
        out.write(piece[:left])
        left -= len(piece)
os.close(fd)
code = child.wait()
with open(name + ".code", "w") as file:
    file.write(str(code if code >= 0 else 128 - code))
'''

def begin(job):
    os.makedirs(JOBS, exist_ok=True)
    name = os.path.join(JOBS, job["name"])
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", KEEPER, SHELL, job["command"], name,
        str(50 * job["keep_bytes"])], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True)
    with open(name + ".pid", "w") as file:
        file.write(str(child.pid))
    answer({"state": "running", "code": None, "wall_s": 0.0})

def contents(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""

def poll(job):
    name = os.path.join(JOBS, job["name"])
    pid = int(contents(name + ".pid") or 0)
    started, state = time.monotonic(), "running"
    if job["kill"] and pid > 1:
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    while True:
        status = contents("/proc/%d/stat" % pid).rpartition(")")[2].split() or ["gone"]
        if pid <= 1 or status[0] in ("gone", "Z", "X"):
            state = "exited" if contents(name + ".code").isdigit() else "killed"
        if state != "running" or time.monotonic() - started >= job["wait_s"]:
            break
        time.sleep(0.05)
    code = contents(name + ".code")
    keep, body, gap, size = job["keep_bytes"], b"", b"", job["offset"]
    if os.path.exists(name + ".out"):
        with open(name + ".out", "rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = max(job["offset"], size - keep)
            file.seek(first)
            body = file.read(max(0, size - first))
            if first > job["offset"]:
                gap = b"[%d bytes not kept]\n" % (first - job["offset"])
    answer({"state": state, "code": int(code) if code.isdigit() else None, "size": size,
        "wall_s": time.monotonic() - started}, gap + body)

def remove(job):
    for path in job["paths"]:
        os.unlink(path)
    answer({"kind": "done"})

def repository(job):
    if shutil.which("git") is None:
        return answer({"kind": "none"}, b"git is not installed")
    fixed = dict(os.environ, GIT_AUTHOR_DATE=job["date"], GIT_COMMITTER_DATE=job["date"])
    def git(*words):
        return subprocess.run(("git",) + words, env=fixed, stdin=subprocess.DEVNULL, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    try:
        # Beside the files, so that reading them out never carries the repository's own along.
        git("init", "-q", "--template=", "--separate-git-dir=../.repository", ".")
        git("symbolic-ref", "HEAD", "refs/heads/work")
        for name, value in job["settings"].items():
            git("config", name, value)
        os.makedirs("../.repository/info", exist_ok=True)
        with open("../.repository/info/exclude", "w") as file:
            file.write(job["excluded"])
        git("add", "-A", "-f", ".")
        git("commit", "-q", "--allow-empty", "-m", job["message"])
    except (subprocess.SubprocessError, OSError) as error:
        output = getattr(error, "output", None) or ascii(error).encode()
        return answer({"kind": "none"}, output[-400:])
    answer({"kind": "done"})

VERBS = {"read": read, "shell": shell, "begin": begin, "poll": poll, "remove": remove,
    "repository": repository}
job = json.load(sys.stdin)
try:
    VERBS[job["verb"]](job)
except (OSError, ValueError) as error:
    # No right to read, a name or a command longer than the system takes, a NUL in it.
    answer({"kind": "failed", "state": "failed", "code": None, "wall_s": 0.0}, ascii(error).encode())
"""
