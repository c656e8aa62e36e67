"""The process backend: a plain child process, without a wall. Opt-in by name, for code that is your own.

Does not: isolate. The command sees the user's files, network and processes; disk, inodes and /dev/shm are not limited.
Invariant: everything it started is dead when the context ends, setsid and double forks included.
"""

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rsi.sandboxes.bubblewrap.launch import launched
from rsi.sandboxes.errors import BackendUnavailableError
from rsi.sandboxes.machine import cgroups
from rsi.sandboxes.machine.ceilings import require_allowed
from rsi.sandboxes.machine.environments import base_interpreter, prepare_python
from rsi.sandboxes.machine.owners import is_alive, owner_tag
from rsi.sandboxes.session import PYTHON_FLAGS, SUPERVISOR_SOURCE, Cell, base_variables, opened
from rsi.sandboxes.types import Assurance, Availability, Environment, Limits, Sandbox, SandboxSpec

FOLDER_PREFIX = "rsi-process-"
SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
UNPROTECTED = (
    "no isolation: the command can read and change your files, use your network and see your processes;"
    " disk, inodes and /dev/shm are not limited"
)


class ProcessBackend:
    """Implements `Backend` with child processes.

    Args:
        use_cgroups: False keeps to the watchdog even where control groups can be had.
        cache: Where environments are kept; None for the user's cache.
    """

    name = "process"
    assurance = Assurance.NONE

    def __init__(self, *, use_cgroups: bool = True, cache: Path | None = None) -> None:
        self._use_cgroups = use_cgroups
        self._cache = cache

    def availability(self) -> Availability:
        """Usable wherever Linux is; the reason says what it does not protect."""
        if not sys.platform.startswith("linux"):
            return Availability(
                is_available=False, reason="needs Linux; use docker on this machine"
            )
        return Availability(is_available=True, reason=UNPROTECTED)

    def prepare(
        self, environment: Environment, progress: Callable[[str], None] | None = None
    ) -> str:
        """Build or find the Python environment; returns its digest."""
        return prepare_python(environment, progress, cache=self._cache).digest

    @contextlib.contextmanager
    def open(self, spec: SandboxSpec) -> Iterator[Sandbox]:
        """A fresh folder and a supervisor over it."""
        require_allowed(spec.limits)
        if not self.availability().is_available:
            raise BackendUnavailableError(f"process: {self.availability().reason}")
        python = prepare_python(spec.environment, cache=self._cache)
        _reap_folders()
        folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{owner_tag()}-"))
        group = cgroups.create(spec.limits) if self._use_cgroups else None
        try:
            for name in ("work", "tmp"):
                (folder / name).mkdir()
            variables = base_variables((str(python.bin_folder), *SYSTEM_PATH), spec.variables)
            variables |= {"HOME": str(folder / "tmp"), "TMPDIR": str(folder / "tmp")}
            # Nothing hides the other devices here; the driver's own variable at least chooses the leased ones.
            if spec.gpus:
                variables["CUDA_VISIBLE_DEVICES"] = ",".join(spec.gpus)
            with launched(
                _command(spec.limits, group),
                limits=spec.limits,
                group=group,
                stored_bytes=lambda _: 0,
            ) as supervisor:
                cell = Cell(
                    keeps_processes=spec.keeps_processes,
                    backend=self.name,
                    assurance=self.assurance,
                    limits=spec.limits,
                    transport=supervisor.transport,
                    meter=supervisor.meter,
                    kill=supervisor.kill,
                    interpreter=supervisor.interpreter,
                    variables=variables,
                    translate=_translator(spec, folder, python.folder),
                )
                with opened(cell) as sandbox:
                    yield sandbox
        finally:
            if group is not None:
                group.remove()
            shutil.rmtree(folder, ignore_errors=True)


def _reap_folders() -> None:
    """Remove the folders of owners that died without doing so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        owner = folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]
        if not is_alive(owner):
            shutil.rmtree(folder, ignore_errors=True)


def _command(limits: Limits, group: cgroups.Cgroup | None) -> list[str]:
    """The shell that joins the control group and becomes the supervisor."""
    options = [f"NOFILE={limits.open_files}", f"FSIZE={limits.disk_bytes}", "CORE=0"]
    join = group.join_script() if group is not None else ""
    supervisor = [str(base_interpreter()), *PYTHON_FLAGS, SUPERVISOR_SOURCE, *options]
    return ["/bin/sh", "-ec", f'{join}exec "$@"', "rsi-supervisor", *supervisor]


def _translator(spec: SandboxSpec, folder: Path, python: Path) -> Callable[[str], str]:
    """Turns paths of the inside, at the start of a word or behind "=" or ":", into paths of the host.

    Paths that are the host's already (the folder itself, the environment, mounted sources) stay as they are.
    """
    places = {mount.target.rstrip("/"): str(mount.source) for mount in spec.mounts}
    places |= {"/work": str(folder / "work"), "/tmp": str(folder / "tmp")}  # noqa: S108 - inside
    places |= {path: path for path in (str(folder), str(python), *places.values())}
    longest_first = sorted(places, key=len, reverse=True)
    inside = re.compile(r"(^|[=:])(" + "|".join(map(re.escape, longest_first)) + r")(?=/|:|$)")
    return lambda text: inside.sub(lambda match: match[1] + places[match[2]], text)
