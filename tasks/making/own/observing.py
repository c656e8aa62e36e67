"""Run a repo's command once in a sandbox and note what it took: seconds, memory, files, network, device.

The run is watched from inside by `template/own/observer`, which a timed run never has.
Does not: judge or guess. Invariant: what is said of a run was seen in it.
"""

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import (
    Backend,
    Environment,
    ExecOutcome,
    ExecResult,
    FileEntry,
    FileTree,
    Limits,
    OnOutput,
    Sandbox,
    SandboxSpec,
)
from rsi.tasks.files.globs import matches
from rsi.tasks.files.trees import below
from rsi.tasks.running.tampering import CODE_SUFFIXES, MAX_ENTRIES

NO_RESULTS = tuple(each for each in CODE_SUFFIXES if each != ".pth")
"""Files that are no result; .pth is also what people call a checkpoint."""

WATCHER = Path(__file__).parent.parent / "template" / "own" / "observer" / "sitecustomize.py"
CODE, IO, OBSERVER = "/work/code", "/work/io", "/work/observer"
LOG = f"{IO}/observed"
MAX_LOG_BYTES = 8 << 20
MAX_LOG_FILES = 500
FORGOTTEN = ("rsi_entry/**", "rsi_instance.json", "**/__pycache__/**", ".git/**", ".git", "**/.git")
"""What a run asks for that is not its repo's."""
_INSTANCE = FileEntry(path="rsi_instance.json", content=b'{"seed":1}')
"""As every later run finds it."""
_SIZES = """
import json, os, sys
print(json.dumps({p: os.path.getsize(p) for p in json.load(sys.stdin) if os.path.isfile(p)}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file that a run wrote in its folder."""

    path: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One watched run."""

    execution: ExecResult
    printed: str
    """What it printed, both streams as they came, as far as they are kept."""
    written: tuple[Written, ...]
    """In the repo's folder, largest first; code and caches left out."""
    missed: tuple[str, ...]
    """Paths in the repo's folder that it looked for and did not find."""
    missed_beside: tuple[str, ...]
    """Paths that lead out of its folder, such as "../data", that it looked for in vain."""
    missed_elsewhere: tuple[str, ...]
    """Absolute paths outside it that it opened in vain, system folders left out."""
    written_elsewhere: tuple[str, ...]
    """Absolute paths outside it that it wrote, its scratch folder left out."""
    loaded: tuple[str, ...]
    """Python files of the repo that it ran or imported."""
    opened: tuple[str, ...]
    """Files of the repo that it opened."""
    asked: tuple[str, ...]
    """Hosts that it wanted to reach."""
    used_cuda: bool

    @property
    def is_ok(self) -> bool:
        return self.execution.outcome is ExecOutcome.OK


def observe(
    tree: FileTree,
    data: FileTree,
    command: Sequence[str],
    *,
    environment: Environment,
    limits: Limits,
    backend: Backend,
    seed: int,
    threads: int,
    gpus: tuple[str, ...] = (),
    on_output: OnOutput | None = None,
) -> Observed:
    """Run a command once and watch it.

    Args:
        tree: The repo with the task's entry in it.
        data: What lies beside it in every run.
        command: As the task starts it, through its entry.
        environment: What is installed.
        limits: Of the run.
        backend: Where it runs.
        seed: Told to it.
        threads: Cores and threads that it may use.
        gpus: UUIDs of the GPUs that it gets.
        on_output: Told what it prints, as it comes.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    variables = {
        "RSI_IO": IO,
        "RSI_SEED": str(seed),
        "RSI_OBSERVED": LOG,
        "PYTHONPATH": OBSERVER,
        "PYTHONHASHSEED": str(seed),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
    spec = SandboxSpec(
        environment=environment, limits=limits, variables=variables, gpus=gpus, label="try"
    )
    watcher = WATCHER.read_bytes()
    keep = FileEntry(path=".keep", content=b"")
    with backend.open(spec) as sandbox:
        sandbox.put(
            (
                *below("code", tree),
                *below("io/public", (*data, _INSTANCE)),
                *below("io/out", (keep,)),
                *below("io/observed", (keep,)),
                FileEntry(path="observer/sitecustomize.py", content=watcher),
            )
        )
        before = _digests(sandbox)
        execution = sandbox.exec(command, cwd=CODE, on_output=on_output)
        if execution.exit_code is None:  # the sandbox is gone
            return _unseen(execution)
        given = before | {each.path: "" for each in data}
        changed = {
            path: digest
            for path, digest in _digests(sandbox).items()
            if given.get(path) != digest and path not in {each.path for each in data}
        }
        sizes = _sizes(sandbox, sorted(changed))
        notes = _notes(sandbox)
    return _observed(execution, changed, sizes, notes, {each.path for each in (*tree, *data)})


def _unseen(execution: ExecResult) -> Observed:
    return Observed(
        execution=execution, printed=_printed(execution), written=(), missed=(), missed_beside=(), missed_elsewhere=(),
        written_elsewhere=(), loaded=(), opened=(), asked=(), used_cuda=False,
    )  # fmt: skip


def _printed(execution: ExecResult) -> str:
    return (execution.stdout + execution.stderr).decode("utf-8", "replace")


def _digests(sandbox: Sandbox) -> dict[str, str]:
    """sha256 of every file of the run's folder that may be a result."""
    try:
        survey = sandbox.survey(CODE, max_entries=MAX_ENTRIES)
    except FileTreeError:
        return {}
    return {
        path: entry.sha256
        for path, entry in survey.items()
        if entry.sha256 is not None
        and not path.endswith(NO_RESULTS)
        and not matches(path, FORGOTTEN)
    }


def _sizes(sandbox: Sandbox, paths: Sequence[str]) -> Mapping[str, int]:
    if not paths:
        return {}
    told = sandbox.exec(
        ("python", "-I", "-c", _SIZES),
        cwd=CODE,
        stdin=json.dumps(paths).encode(),
        variables={"RSI_OBSERVED": ""},
    )
    try:
        found = json.loads(told.stdout)
    except ValueError:
        return {}
    return {path: size for path, size in found.items() if isinstance(size, int)}


def _notes(sandbox: Sandbox) -> dict[str, list[str]]:
    """What the watcher noted, by kind, each once."""
    try:
        files = sandbox.get(LOG, max_bytes=MAX_LOG_BYTES, max_files=MAX_LOG_FILES)
    except FileTreeError:
        return {}
    found: dict[str, dict[str, None]] = {}
    for each in files:
        for line in each.content.decode("utf-8", "replace").splitlines():
            try:
                kind, what = json.loads(line)
            except (ValueError, TypeError):
                continue
            found.setdefault(str(kind), {})[str(what)] = None
    return {kind: list(whats) for kind, whats in found.items()}


_SYSTEM = (
    "/proc",
    "/sys",
    "/dev",
    "/usr",
    "/etc",
    "/lib",
    "/lib64",
    "/bin",
    "/opt",
    "/run",
    "/var",
    "/root/.pyenv",
)


def _observed(
    execution: ExecResult,
    changed: Mapping[str, str],
    sizes: Mapping[str, int],
    notes: Mapping[str, Sequence[str]],
    there: set[str],
) -> Observed:
    inside, outside = _split(notes.get("misses", ()))
    _, written_elsewhere = _split(notes.get("writes", ()))
    opened, _ = _split(notes.get("opens", ()))
    loaded, _ = _split(notes.get("loads", ()))
    folders = {folder for path in (*there, *changed) for folder in _parents(path)}
    written = [
        Written(path=path, n_bytes=sizes.get(path, 0), sha256=digest)
        for path, digest in changed.items()
    ]
    return Observed(
        execution=execution,
        printed=_printed(execution),
        written=tuple(sorted(written, key=lambda each: (-each.n_bytes, each.path))),
        missed=tuple(
            path
            for path in inside
            if path not in there
            and path not in folders
            and path not in changed
            and not matches(path, FORGOTTEN)
            and not path.endswith((".pyc", ".py", ".so"))
        ),
        missed_beside=tuple(
            f"../{path.removeprefix('/work/')}"
            for path in outside
            if path.startswith("/work/") and not path.startswith((f"{IO}/", f"{OBSERVER}/"))
        ),
        missed_elsewhere=tuple(
            path
            for path in outside
            if not path.startswith((*_SYSTEM, "/tmp", "/work"))  # noqa: S108 - inside
        ),
        written_elsewhere=tuple(
            path
            for path in written_elsewhere
            if not path.startswith(("/proc", "/dev", "/tmp", "/work"))  # noqa: S108
        ),
        loaded=tuple(path for path in (*loaded, *opened) if path.endswith(".py") and path in there),
        opened=tuple(path for path in opened if path in there),
        asked=tuple(
            host
            for host in notes.get("asks", ())
            if host not in {"", "None", "localhost", "127.0.0.1", "::1", "0.0.0.0", "sandbox"}  # noqa: S104
        ),
        used_cuda="cuda" in notes.get("device", ()),
    )


def _split(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Paths in the repo's folder, relative to it, and those outside."""
    inside, outside = [], []
    for path in paths:
        # Code that lies in no file has such a name in a traceback.
        if posixpath.basename(path).startswith("<"):
            continue
        plain = posixpath.normpath(path)
        if plain.startswith(f"{CODE}/"):
            inside.append(plain.removeprefix(f"{CODE}/"))
        elif plain.startswith("/") and plain != CODE:
            outside.append(plain)
    return inside, outside


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def last_lines(text: str, *, most: int = 12) -> list[str]:
    """The end of what was printed, cut at line ends."""
    lines = [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-most:]


def roomy(limits: Limits, data: FileTree) -> Limits:
    """The same limits with room on the disk for the data."""
    n_bytes = sum(len(each.content) for each in data)
    return replace(limits, disk_bytes=max(limits.disk_bytes, 4 * n_bytes + (1 << 30)))
