"""The bubblewrap backend: namespaces, sized tmpfs, a seccomp filter and limits, with no engine and no root needed.

Started as root, the sandbox runs as an unprivileged user; started by a user, in that user's own namespace.
Does not: share anything writable with the host. What is visible is named in `_visible`.
Invariant: the only writable places are /work, /tmp and /dev/shm, each sized; when we die the sandbox dies.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsi.sandboxes.bubblewrap.launch import launched
from rsi.sandboxes.bubblewrap.seccomp import AUDIT_ARCH, bpf_program
from rsi.sandboxes.errors import BackendUnavailableError, SandboxBrokenError
from rsi.sandboxes.machine import cgroups
from rsi.sandboxes.machine.ceilings import require_allowed
from rsi.sandboxes.machine.environments import (
    PythonEnvironment,
    base_interpreter,
    cache_folder,
    prepare_python,
)
from rsi.sandboxes.session import PYTHON_FLAGS, SUPERVISOR_SOURCE, Cell, base_variables, opened
from rsi.sandboxes.types import (
    Assurance,
    Availability,
    Environment,
    Limits,
    Sandbox,
    SandboxSpec,
)

INSIDE_ID = 65534
"""User and group inside ("nobody"), and outside too when we are root."""
WRAPPER_PIDS = 2
"""Processes of ours inside: the supervisor and, for a moment, its fork."""
TREE_INODES = 3
"""Folders of the layout itself: the root, work and tmp."""
SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
ETC_FILES = {
    "passwd": f"nobody:x:{INSIDE_ID}:{INSIDE_ID}:nobody:/tmp:/bin/sh\\n",
    "group": f"nogroup:x:{INSIDE_ID}:\\n",
    "hosts": "127.0.0.1 localhost sandbox\\n",
    "nsswitch.conf": "passwd: files\\ngroup: files\\nhosts: files\\n",
}
PROBE_TIMEOUT_S = 20
HOW_TO_GET = "install bubblewrap (`apt install bubblewrap` or `dnf install bubblewrap`), or start a Docker engine"
HOW_TO_ALLOW = (
    "let unprivileged users make user namespaces (Ubuntu:"
    " `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; Debian before 11:"
    " `sysctl kernel.unprivileged_userns_clone=1`), or start a Docker engine"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protections:
    """Which walls stand. All of them, except in tests that show what each one is for."""

    network: bool = True
    seccomp: bool = True
    rlimits: bool = True
    sized_tmpfs: bool = True
    read_only_root: bool = True


class BubblewrapBackend:
    """Implements `Backend` with bubblewrap.

    Args:
        use_cgroups: False keeps to the watchdog even where control groups can be had.
        cache: Where environments are kept; None for the user's cache.
        protections: For tests alone.
    """

    name = "bubblewrap"
    assurance = Assurance.BUBBLEWRAP

    def __init__(
        self,
        *,
        use_cgroups: bool = True,
        cache: Path | None = None,
        protections: Protections | None = None,
    ) -> None:
        self._use_cgroups = use_cgroups
        self._cache = cache or cache_folder()
        self._protections = protections or Protections()

    def availability(self) -> Availability:
        """Start a trivial sandbox and say how it went."""
        if not sys.platform.startswith("linux"):
            return Availability(
                is_available=False, reason="bubblewrap needs Linux; use Docker here"
            )
        missing = [tool for tool in ("bwrap", "unshare", "setpriv") if shutil.which(tool) is None]
        if missing:
            return Availability(
                is_available=False, reason=f"{', '.join(missing)} not found: {HOW_TO_GET}"
            )
        if os.uname().machine not in AUDIT_ARCH:
            reason = f"no seccomp table for {os.uname().machine}: use Docker here"
            return Availability(is_available=False, reason=reason)
        spec = SandboxSpec(
            environment=Environment(name="probe"),
            limits=Limits(wall_s=PROBE_TIMEOUT_S, memory_bytes=256 << 20),
        )
        try:
            with self.open(spec) as sandbox:
                result = sandbox.exec(["true"])
        except SandboxBrokenError as error:
            return Availability(is_available=False, reason=f"{error}: {HOW_TO_ALLOW}")
        if result.exit_code != 0:
            return Availability(
                is_available=False, reason=f"`true` ended as {result.outcome.value}: {HOW_TO_ALLOW}"
            )
        return Availability(is_available=True, reason=f"{_version()}, {self._limits_text()}")

    def prepare(
        self, environment: Environment, progress: Callable[[str], None] | None = None
    ) -> str:
        """Build or find the Python environment; returns its digest."""
        return prepare_python(environment, progress, cache=self._cache).digest

    @contextlib.contextmanager
    def open(self, spec: SandboxSpec) -> Iterator[Sandbox]:
        """A fresh sandbox; see `Backend.open`."""
        require_allowed(spec.limits)
        if shutil.which("bwrap") is None:
            raise BackendUnavailableError(f"bwrap not found: {HOW_TO_GET}")
        python = prepare_python(spec.environment, cache=self._cache)
        group = cgroups.create(spec.limits) if self._use_cgroups else None
        scratch = self._cache / "mountpoint"
        scratch.mkdir(parents=True, exist_ok=True)
        try:
            with _filter_fd(self._protections, spec.limits) as filter_fd:
                argv = self._command(spec, python, group, scratch, filter_fd)
                with launched(
                    argv,
                    limits=spec.limits,
                    group=group,
                    stored_bytes=lambda pid: _stored_bytes(
                        pid, _public_folder() if os.geteuid() == 0 else scratch
                    ),
                    pass_fds=(filter_fd,),
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
                        variables=base_variables(
                            (str(python.bin_folder), *SYSTEM_PATH), spec.variables
                        ),
                    )
                    with opened(cell) as sandbox:
                        yield sandbox
        finally:
            if group is not None:
                group.remove()

    def _limits_text(self) -> str:
        probe = (
            cgroups.create(Limits(wall_s=1, memory_bytes=64 << 20)) if self._use_cgroups else None
        )
        if probe is None:
            return "memory limited by a watchdog (no control group could be made)"
        probe.remove()
        return f"memory and processes limited by control groups (version {probe.version})"

    def _command(
        self,
        spec: SandboxSpec,
        python: PythonEnvironment,
        group: cgroups.Cgroup | None,
        scratch: Path,
        filter_fd: int,
    ) -> list[str]:
        """The chain that becomes the sandbox: unshare, a shell that mounts, setpriv, bwrap, the supervisor."""
        is_root = os.geteuid() == 0
        root = shlex.quote(str(scratch))
        binds = _visible(spec, python)
        script = [group.join_script() if group is not None else "", "umask 022\n"]
        script.append(self._mount_script(spec.limits, scratch))
        if is_root:
            # The unprivileged user cannot walk through private folders: everything moves to a public one.
            public = _public_folder()
            private = [
                (source, target)
                for source, target in binds
                if source != target or not _is_system(source)
            ]
            script += [_public_binds(private), f"cd /\nmount --move {root} {public}\n"]
            places = {target: f"{public}/m/{at}" for at, (_, target) in enumerate(private)}
            binds = [(places.get(target, source), target) for source, target in binds]
            scratch = public
        script.append('exec "$@"\n')
        drop = ["setpriv", f"--reuid={INSIDE_ID}", f"--regid={INSIDE_ID}", "--clear-groups", "--"]
        namespaces = ["--mount"] if is_root else ["--user", "--map-root-user", "--mount"]
        bwrap = self._bwrap(spec, binds, scratch, filter_fd)
        supervisor = [
            str(base_interpreter()),
            *PYTHON_FLAGS,
            SUPERVISOR_SOURCE,
            *self._supervisor_options(spec.limits),
        ]
        return [
            *("unshare", *namespaces, "--propagation", "private", "--"),
            *("/bin/sh", "-ec", "".join(script), "rsi-mounts"),
            *(drop if is_root else []),
            *bwrap,
            *supervisor,
        ]

    def _mount_script(self, limits: Limits, scratch: Path) -> str:
        """Shell text that mounts the writable places, sized, and lays them out."""
        size = f"size={limits.disk_bytes},nr_inodes={limits.inodes + TREE_INODES}"
        shm = f"size={limits.shm_bytes},nr_inodes={limits.inodes}"
        if not self._protections.sized_tmpfs:
            size = shm = "size=50%"
        root = shlex.quote(str(scratch))
        lines = [
            f"mount -t tmpfs -o mode=0755 rsi {root}",
            f"cd {root}",
            "mkdir disk shm etc m",
            f"mount -t tmpfs -o {size},mode=0755 rsi disk",
            f"mount -t tmpfs -o {shm},mode=1777 rsi shm",
            "mkdir -m 1777 disk/work disk/tmp",
        ]
        lines += [f"printf {shlex.quote(text)} > etc/{name}" for name, text in ETC_FILES.items()]
        return "\n".join(lines) + "\n"

    def _bwrap(
        self, spec: SandboxSpec, binds: Sequence[tuple[str, str]], scratch: Path, filter_fd: int
    ) -> list[str]:
        walls = self._protections
        argv = [
            "bwrap",
            "--unshare-user",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
        ]
        argv += ["--unshare-net"] if walls.network else []
        argv += ["--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID), "--hostname", "sandbox"]
        argv += ["--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]
        argv += ["--cap-drop", "ALL"]
        for link in SYSTEM_LINKS:
            path = Path(link)
            if path.is_symlink():
                argv += ["--symlink", str(path.readlink()), link]
        # Before the read-only binds: an environment kept below /tmp must stay visible on top of this one.
        argv += ["--bind", f"{scratch}/disk/tmp", "/tmp"]  # noqa: S108 - inside
        writable = {mount.target for mount in spec.mounts if mount.is_writable}
        for source, target in binds:
            argv += ["--bind" if target in writable else "--ro-bind", source, target]
        for name in ETC_FILES:
            argv += ["--ro-bind", f"{scratch}/etc/{name}", f"/etc/{name}"]
        argv += ["--proc", "/proc", "--dev", "/dev"]
        for node in _device_nodes(spec.gpus):
            argv += ["--dev-bind", node, node]
        argv += ["--bind", f"{scratch}/shm", "/dev/shm", "--bind", f"{scratch}/disk/work", "/work"]  # noqa: S108
        if walls.read_only_root:
            argv += ["--remount-ro", "/dev", "--remount-ro", "/"]
        argv += ["--seccomp", str(filter_fd)] if walls.seccomp else []
        return [*argv, "--chdir", "/work", "--"]

    def _supervisor_options(self, limits: Limits) -> list[str]:
        options = ["CORE=0"]
        if self._protections.rlimits:
            options += [f"NOFILE={limits.open_files}", f"NPROC={limits.pids + WRAPPER_PIDS}"]
        return options


def _visible(spec: SandboxSpec, python: PythonEnvironment) -> list[tuple[str, str]]:
    """Everything of the host that can be read inside, as (source, target)."""
    binds = [("/usr", "/usr")]
    binds += [
        (link, link) for link in SYSTEM_LINKS if Path(link).is_dir() and not Path(link).is_symlink()
    ]
    binds += [(path, path) for path in SYSTEM_FILES if Path(path).exists()]
    for prefix in dict.fromkeys(
        (Path(sys.base_prefix).resolve(), python.interpreter.parent.parent)
    ):
        if not prefix.is_relative_to("/usr"):
            binds.append((str(prefix), str(prefix)))
    binds.append((str(python.folder), str(python.folder)))
    binds += [(str(mount.source.resolve()), mount.target) for mount in spec.mounts]
    return binds


def _public_binds(binds: Sequence[tuple[str, str]]) -> str:
    """Shell text that makes each source visible in a folder below `scratch`; every program run costs a millisecond."""
    at_work = [(f"m/{at}", Path(source)) for at, (source, _) in enumerate(binds)]
    folders = [place for place, source in at_work if source.is_dir()]
    lines = [f"mkdir {' '.join(folders)}"] if folders else []
    lines += [f": > {place}" for place, source in at_work if not source.is_dir()]
    lines += [f"mount --rbind {shlex.quote(str(source))} {place}" for place, source in at_work]
    return "\n".join(lines) + "\n"


def _is_system(source: str) -> bool:
    """Whether everybody may walk there anyway."""
    return source in (*SYSTEM_FILES, *SYSTEM_LINKS, "/usr")


def _public_folder() -> Path:
    """A folder that everybody can walk to, covered in the sandbox's own mount namespace only."""
    return next(path for path in (Path("/mnt"), Path("/media"), Path("/tmp")) if path.is_dir())  # noqa: S108


def _device_nodes(gpus: Sequence[str]) -> list[str]:
    if not gpus:
        return []
    from rsi.sandboxes.machine.devices import (
        device_nodes,
    )  # NVML is loaded only when a GPU is asked for

    return list(device_nodes(gpus))


@contextlib.contextmanager
def _filter_fd(protections: Protections, limits: Limits) -> Iterator[int]:
    """A readable file descriptor that holds the seccomp program."""
    program = bpf_program(keeps_cores=limits.cpus is not None) if protections.seccomp else b""
    read_fd, write_fd = os.pipe()
    try:
        os.write(write_fd, program)
    finally:
        os.close(write_fd)
    try:
        yield read_fd
    finally:
        os.close(read_fd)


def _stored_bytes(pid: int, scratch: Path) -> int:
    """Bytes in the sandbox's writable places, seen through the mount namespace of our child."""
    total = 0
    for name in ("disk", "shm"):
        with contextlib.suppress(OSError):
            facts = os.statvfs(f"/proc/{pid}/root{scratch}/{name}")
            total += (facts.f_blocks - facts.f_bfree) * facts.f_frsize
    return total


def _version() -> str:
    shown = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or "bubblewrap"
