"""The Docker backend: one hardened container per sandbox, with our supervisor as its first process.

The command is started by the supervisor over the container's attached streams, not by `docker exec`: that is faster,
and those streams are the lease. When we die the engine closes them, the supervisor ends and the engine removes the container.
Does not: copy by the engine's archive calls (an open one makes a container unkillable), write logs, or join a network.
Invariant: profile options of a task can only tighten what `Limits` allow.
"""

import contextlib
import functools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

from rsi.sandboxes.bubblewrap.seccomp import docker_profile
from rsi.sandboxes.docker.containers import (
    ENGINE_ERRORS,
    ContainerMeter,
    attached,
    first_line,
    remove_container,
)
from rsi.sandboxes.docker.images import BuildSettings, prepare_image, prune_images
from rsi.sandboxes.errors import (
    BackendUnavailableError,
    LeaseTimeoutError,
    SandboxBrokenError,
)
from rsi.sandboxes.machine.ceilings import require_allowed
from rsi.sandboxes.machine.leases import leased
from rsi.sandboxes.machine.owners import is_alive, owner_tag
from rsi.sandboxes.session import (
    PYTHON_FLAGS,
    SUPERVISOR_SOURCE,
    Cell,
    base_variables,
    opened,
    wait_until_ready,
)
from rsi.sandboxes.types import Assurance, Availability, Environment, Limits, Sandbox, SandboxSpec

logger = logging.getLogger(__name__)

INSIDE_ID = 65534
OWNER_LABEL = "rsi.owner"
HOST_LABEL = "rsi.host"
ROUND_LABEL = "rsi.label"
WRAPPER_BYTES = 16 << 20
"""Memory of the supervisor: ours, not the command's."""
WRAPPER_PIDS = 2
TMP_SHARE = 4
"""The temporary folder gets one part in this many of the disk limit, /work the rest: two mounts."""
CONNECT_TIMEOUT_S = 5
REQUEST_TIMEOUT_S = 120
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRUNING = "pruning-images"
"""Lock of whoever removes old images."""
KEPT_IMAGES = 3
"""Images kept of each environment, so that two versions of a task may take turns and disks still do not fill."""
HOW_TO_GET = "install and start Docker (https://docs.docker.com/engine/install) and let this user reach its socket"
HOST_NAME = "sandbox"
"""Of every container, in which it means the container itself: processes that work together meet there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening:
    """Which walls stand. All of them, except in tests that show what each one is for."""

    network: bool = True
    seccomp: bool = True
    read_only_root: bool = True
    sized_tmpfs: bool = True
    pids_limit: bool = True
    drop_capabilities: bool = True


class DockerBackend:
    """Implements `Backend` with a Docker engine.

    Args:
        runtime: OCI runtime such as "runsc"; None for the engine's default.
        settings: How images are built; None reads the RSI_ environment variables.
        hardening: For tests alone.
    """

    def __init__(
        self,
        *,
        runtime: str | None = None,
        settings: BuildSettings | None = None,
        hardening: Hardening | None = None,
    ) -> None:
        self._runtime = runtime
        self._settings = settings or BuildSettings.from_environ()
        self._hardening = hardening or Hardening()
        self._image_ids: dict[Environment, str] = {}
        self._has_reaped = False

    @property
    def name(self) -> str:
        """The name as `select_backend` knows it."""
        return "docker" if self._runtime is None else f"docker+{self._runtime}"

    @property
    def assurance(self) -> Assurance:
        """Stronger with gVisor between the container and the kernel."""
        return Assurance.GVISOR if self._runtime == "runsc" else Assurance.CONTAINER

    def availability(self) -> Availability:
        """Ask the engine, and start a container when a base image is at hand."""
        try:
            engine = self.client.version()
            known = self.client.info().get("Runtimes") or {}
        except BackendUnavailableError as error:
            return Availability(is_available=False, reason=str(error))
        except (DockerException, OSError) as error:
            return Availability(
                is_available=False, reason=f"the engine fails ({first_line(error)}): {HOW_TO_GET}"
            )
        if self._runtime is not None and self._runtime not in known:
            reason = (
                f"the engine has no runtime {self._runtime!r}; it has {', '.join(sorted(known))}"
            )
            return Availability(is_available=False, reason=reason)
        if engine.get("Os") != "linux":
            return Availability(is_available=False, reason="the engine runs no Linux containers")
        text = f"Docker engine {engine['Version']}"
        problem = self._probe()
        if problem is not None:
            return Availability(is_available=False, reason=f"{text} answers but {problem}")
        if self._runtime is None and "runsc" in known:
            text += " (gVisor is here too: the sandbox docker+runsc is stronger and slower)"
        return Availability(is_available=True, reason=text)

    def prepare(
        self, environment: Environment, progress: Callable[[str], None] | None = None
    ) -> str:
        """Build or find the image; returns its id."""
        if environment not in self._image_ids:
            image_id = prepare_image(self.client, environment, self._settings, progress)
            self._image_ids[environment] = image_id
            self._prune(image_id)
        return self._image_ids[environment]

    def _prune(self, image_id: str) -> None:
        """Remove old images; whatever stands in the way, there is an image to go on with."""
        try:
            with leased([PRUNING], wait_s=0.0):
                prune_images(self.client, keep={image_id}, newest=KEPT_IMAGES)
        except (*ENGINE_ERRORS, LeaseTimeoutError) as error:
            logger.info("old images were not removed: %s", first_line(error))

    @contextlib.contextmanager
    def open(self, spec: SandboxSpec) -> Iterator[Sandbox]:
        """A fresh container; see `Backend.open`."""
        require_allowed(spec.limits)
        if not self._has_reaped:
            self._has_reaped = True
            self.reap()
        with self._container(spec, self._image_of(spec.environment)) as sandbox:
            yield sandbox

    def _image_of(self, environment: Environment) -> str:
        """The id of the environment's image, built again when another process removed it meanwhile."""
        image_id = self.prepare(environment)
        try:
            self.client.api.inspect_image(image_id)
        except ImageNotFound:
            del self._image_ids[environment]
            return self.prepare(environment)
        except ENGINE_ERRORS as error:
            raise SandboxBrokenError(f"the engine fails: {first_line(error)}") from error
        return image_id

    def reap(self) -> tuple[str, ...]:
        """Remove containers of this host whose owner is dead; returns their ids."""
        removed = []
        for container_id in self.strays():
            remove_container(self.client, container_id)
            removed.append(container_id)
        return tuple(removed)

    def strays(self) -> tuple[str, ...]:
        """Ids of the containers of this host whose owner is dead."""
        try:
            found = self.client.api.containers(
                all=True, filters={"label": f"{HOST_LABEL}={_host_tag()}"}
            )
        except ENGINE_ERRORS as error:
            raise SandboxBrokenError(
                f"the engine does not list its containers: {first_line(error)}"
            ) from error
        return tuple(
            each["Id"] for each in found if not is_alive(each["Labels"].get(OWNER_LABEL, ""))
        )

    @functools.cached_property
    def client(self) -> docker.DockerClient:
        """The connection to the engine.

        Raises:
            BackendUnavailableError: None answers.
        """
        try:
            client = docker.from_env(timeout=CONNECT_TIMEOUT_S)
            client.ping()
        except DockerException as error:
            raise BackendUnavailableError(
                f"no engine answers ({_why_silent(error)}): {HOW_TO_GET}"
            ) from error
        client.api.timeout = REQUEST_TIMEOUT_S
        return client

    def _probe(self) -> str | None:
        """What goes wrong when a container is started; None when nothing does or there is no image yet."""
        try:
            base_id = self.client.api.inspect_image(self._settings.base_image)["Id"]
        except ImageNotFound:
            return None
        except ENGINE_ERRORS as error:
            return f"does not tell its images: {first_line(error)}"
        spec = SandboxSpec(
            environment=Environment(name="probe"),
            limits=Limits(wall_s=30, memory_bytes=256 << 20, disk_bytes=1 << 24, shm_bytes=1 << 20),
        )
        try:
            with self._container(spec, base_id) as sandbox:
                result = sandbox.exec(["true"])
        except (SandboxBrokenError, DockerException) as error:
            return f"a container does not start: {first_line(error)}"
        return None if result.exit_code == 0 else f"`true` ended as {result.outcome.value}"

    @contextlib.contextmanager
    def _container(self, spec: SandboxSpec, image_id: str) -> Iterator[Sandbox]:
        api = self.client.api
        started = time.time()
        try:
            image = api.inspect_image(image_id)
            created = api.create_container_from_config(self._config(spec, image_id))
        except ENGINE_ERRORS as error:
            raise SandboxBrokenError(
                f"the engine refused the container: {first_line(error)}"
            ) from error
        container_id = str(created["Id"])
        try:
            with attached(api, container_id) as transport:
                try:
                    api.start(container_id)
                except ENGINE_ERRORS as error:
                    raise SandboxBrokenError(
                        f"the container did not start: {first_line(error)}"
                    ) from error
                interpreter = wait_until_ready(transport, transport.complaint)
                meter = ContainerMeter(self.client, container_id, started)
                cell = Cell(
                    keeps_processes=spec.keeps_processes,
                    backend=self.name,
                    assurance=self.assurance,
                    limits=spec.limits,
                    transport=transport,
                    meter=meter,
                    kill=meter.kill,
                    interpreter=interpreter,
                    variables=base_variables(_path_folders(image), spec.variables),
                )
                with opened(cell) as sandbox:
                    yield sandbox
        finally:
            remove_container(self.client, container_id)

    def _config(self, spec: SandboxSpec, image_id: str) -> dict[str, Any]:
        """The whole profile of the container."""
        api = self.client.api
        limits, walls = spec.limits, self._hardening
        memory = limits.memory_bytes + WRAPPER_BYTES
        options: list[str] = ["no-new-privileges:true"]
        options.append(
            "seccomp=" + (json.dumps(docker_profile()) if walls.seccomp else "unconfined")
        )
        host_config = api.create_host_config(
            network_mode="none" if walls.network else "bridge",
            read_only=walls.read_only_root,
            cap_drop=["ALL"] if walls.drop_capabilities else None,
            security_opt=options,
            pids_limit=limits.pids + WRAPPER_PIDS if walls.pids_limit else None,
            mem_limit=memory,
            memswap_limit=memory,  # equal: no swap
            cpuset_cpus=",".join(map(str, limits.cpus)) if limits.cpus is not None else None,
            ipc_mode="private",
            shm_size=limits.shm_bytes,
            oom_score_adj=500,  # before anything of the host's
            tmpfs=_tmpfs(limits, is_sized=walls.sized_tmpfs),
            ulimits=[
                Ulimit(name="nofile", soft=limits.open_files, hard=limits.open_files),
                Ulimit(name="core", soft=0, hard=0),
                *([_file_size(limits)] if walls.sized_tmpfs else []),
            ],
            log_config=LogConfig(type="none"),
            mounts=[
                Mount(
                    target=each.target,
                    source=str(each.source.resolve()),
                    type="bind",
                    read_only=not each.is_writable,
                )
                for each in spec.mounts
            ],
            device_requests=_device_requests(spec.gpus),
            extra_hosts={HOST_NAME: "127.0.0.1"},
            runtime=self._runtime,
            auto_remove=True,
        )
        config: dict[str, Any] = api.create_container_config(
            image=image_id,
            command=[*PYTHON_FLAGS, SUPERVISOR_SOURCE],
            entrypoint=["python3"],
            user=f"{INSIDE_ID}:{INSIDE_ID}" if walls.drop_capabilities else "0:0",
            working_dir="/work",
            hostname=HOST_NAME,
            stdin_open=True,
            labels={OWNER_LABEL: owner_tag(), HOST_LABEL: _host_tag(), ROUND_LABEL: spec.label},
            environment={"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"} if spec.gpus else None,
            host_config=host_config,
        )
        return config


def _tmpfs(limits: Limits, *, is_sized: bool) -> dict[str, str]:
    flags = f"rw,exec,nosuid,nodev,uid={INSIDE_ID},gid={INSIDE_ID}"
    if not is_sized:
        return {"/work": f"{flags},mode=0755", "/tmp": f"{flags},mode=1777"}  # noqa: S108 - inside
    tmp_bytes, tmp_inodes = limits.disk_bytes // TMP_SHARE, limits.inodes // TMP_SHARE
    work_bytes, work_inodes = limits.disk_bytes - tmp_bytes, limits.inodes - tmp_inodes
    return {
        "/work": f"{flags},mode=0755,size={work_bytes},nr_inodes={work_inodes}",
        "/tmp": f"{flags},mode=1777,size={tmp_bytes},nr_inodes={tmp_inodes}",  # noqa: S108 - inside
    }


def _file_size(limits: Limits) -> Ulimit:
    return Ulimit(name="fsize", soft=limits.disk_bytes, hard=limits.disk_bytes)


def _device_requests(gpus: tuple[str, ...]) -> list[DeviceRequest] | None:
    if not gpus:
        return None
    return [DeviceRequest(driver="nvidia", device_ids=list(gpus), capabilities=[["gpu"]])]


def _path_folders(image: Mapping[str, Any]) -> list[str]:
    for pair in (image.get("Config") or {}).get("Env") or []:
        name, _, value = pair.partition("=")
        if name == "PATH":
            return str(value).split(":")
    return DEFAULT_PATH.split(":")


@functools.cache
def _why_silent(error: BaseException) -> str:
    """What the system said about the engine's socket; the layers above it wrap that three times."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return first_line(error)


def _host_tag() -> str:
    """This machine since its boot, as one pid namespace: where our owner tags mean something."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - not a path
