"""The small program that runs inside the agent's sandbox for each file or shell tool.

It is sent as source text and run by the sandbox's own Python, so it may import the standard library
only. It reads one JSON job from stdin and writes one JSON line, then raw bytes, to stdout.
Why not plain `sh`: a command that prints without end or never returns would trip the sandbox's own
limits, and those kill the sandbox with all of the agent's work. Here the command is stopped alone.
Does not: guard anything. The wall is the sandbox; whatever this prints is untrusted.
"""

SOURCE = r"""
import json, os, selectors, signal, subprocess, sys, time

def answer(head, body=b""):
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + body)
    sys.stdout.buffer.flush()

def listing(path, limit):
    rows = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__pycache__")
        for name in sorted(files):
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

def shell(job):
    keep = job["keep_bytes"]
    program = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    child = subprocess.Popen([program, "-c", job["command"]], stdin=subprocess.DEVNULL,
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

job = json.load(sys.stdin)
try:
    {"read": read, "shell": shell}[job["verb"]](job)
except (OSError, ValueError) as error:
    # No right to read, a name or a command longer than the system takes, a NUL in it.
    answer({"kind": "failed", "state": "failed", "code": None, "wall_s": 0.0}, ascii(error).encode())
"""
