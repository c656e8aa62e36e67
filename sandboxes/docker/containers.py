"""A running container: its attached streams, its counters, its removal.

Does not: decide what a container may do; `docker.py` does.
Invariant: after `remove_container` returns the engine knows the container no more.
"""

import contextlib
import socket
import time
from collections.abc import Iterator

import docker
from docker.errors import DockerException, NotFound

from rsi.sandboxes.errors import SandboxBrokenError
from rsi.sandboxes.inside.wire import READ_BYTES, Report
from rsi.sandboxes.session import Usage

REMOVE_TIMEOUT_S = 15.0
ENGINE_ERRORS = (DockerException, OSError)
"""What a call of the engine's client raises: its own errors, and those of the connection, which are OSErrors."""
STREAM_HEAD_BYTES = 8
STDOUT_STREAM = 1
COMPLAINT_BYTES = 4096


class ContainerMeter:
    """What the kernel counted for a container, read by the supervisor or, when that is gone, from the engine."""

    def __init__(self, client: docker.DockerClient, container_id: str, started: float) -> None:
        self._client = client
        self._container_id = container_id
        self._started = started
        self._oom_kills = 0
        self._total_cpu_s = 0.0
        self._last_total_s: float | None = None

    def begin(self) -> None:
        self._last_total_s = None

    def watch(self) -> tuple[bool, float | None]:
        return False, None  # the kernel watches

    def end(self, report: Report | None) -> Usage:
        if report is not None:
            kills = report.oom_kills or 0
            is_over, self._oom_kills = kills > self._oom_kills, kills
            from_group = report.cgroup_cpu_s is not None
            cpu_s = report.cgroup_cpu_s if report.cgroup_cpu_s is not None else report.cpu_s
            self._total_cpu_s += cpu_s
            return Usage(
                cpu_s=cpu_s,
                cpu_source="cgroup" if from_group else "rusage",
                max_rss_bytes=report.cgroup_peak_bytes or report.max_rss_bytes,
                is_over_memory=is_over,
            )
        is_over = self._saw_oom()
        if self._last_total_s is None and not is_over:
            raise SandboxBrokenError("the container ended and the engine cannot say what it used")
        total_s = self._last_total_s if self._last_total_s is not None else self._total_cpu_s
        return Usage(
            cpu_s=max(0.0, total_s - self._total_cpu_s),
            cpu_source="cgroup",
            max_rss_bytes=None,
            is_over_memory=is_over,
        )

    def kill(self) -> None:
        """End the container, after a last look at its counters."""
        api = self._client.api
        with contextlib.suppress(*ENGINE_ERRORS):
            stats = api.stats(self._container_id, stream=False, one_shot=True)
            used_ns = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage")
            if used_ns:
                self._last_total_s = used_ns / 1e9
        with contextlib.suppress(*ENGINE_ERRORS):
            api.kill(self._container_id)

    def _saw_oom(self) -> bool:
        filters = {"container": [self._container_id], "event": ["oom"]}
        now = time.time() + 1
        try:
            return any(
                self._client.api.events(since=int(self._started), until=int(now), filters=filters)
            )
        except ENGINE_ERRORS as error:
            raise SandboxBrokenError(
                f"the engine cannot say how the container ended: {first_line(error)}"
            ) from error


class AttachTransport:
    """The container's attached streams: our frames in stream 1, complaints of the start in stream 2."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._raw = bytearray()
        self._complaint = bytearray()
        self.read_fd = connection.fileno()
        self.write_fd = connection.fileno()

    def read(self) -> bytes | None:
        try:
            chunk = self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            return b""
        if not chunk:
            return b""
        self._raw += chunk
        return self._demultiplex() or None

    def write(self, frame: memoryview) -> int:
        try:
            return self._connection.send(frame)
        except (BlockingIOError, ConnectionError):
            return 0

    def complaint(self) -> str:
        """What came on stderr, shortened."""
        return self._complaint.decode("utf-8", "replace").strip()

    def close(self) -> None:
        self._connection.close()

    def _demultiplex(self) -> bytes:
        parts = []
        while len(self._raw) >= STREAM_HEAD_BYTES:
            end = STREAM_HEAD_BYTES + int.from_bytes(self._raw[4:STREAM_HEAD_BYTES], "big")
            if len(self._raw) < end:
                break
            payload = bytes(self._raw[STREAM_HEAD_BYTES:end])
            if self._raw[0] == STDOUT_STREAM:
                parts.append(payload)
            else:
                self._complaint = (self._complaint + payload)[-COMPLAINT_BYTES:]
            del self._raw[:end]
        return b"".join(parts)


@contextlib.contextmanager
def attached(api: docker.APIClient, container_id: str) -> Iterator[AttachTransport]:
    """The container's streams, attached before it starts so that nothing is missed."""
    params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    try:
        stream = api.attach_socket(container_id, params=params)
    except ENGINE_ERRORS as error:
        raise SandboxBrokenError(
            f"the container's streams cannot be attached: {first_line(error)}"
        ) from error
    connection: socket.socket = getattr(stream, "_sock", stream)
    transport = AttachTransport(connection)
    try:
        yield transport
    finally:
        # The response holds a descriptor of its own until somebody collects it; close it before the socket.
        response = getattr(stream, "_response", None)
        (response or stream).close()
        transport.close()


def remove_container(client: docker.DockerClient, container_id: str) -> None:
    """Remove by force and wait until the engine has forgotten the container."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    while True:
        try:
            client.api.remove_container(container_id, force=True, v=True)
        except NotFound:
            return
        except ENGINE_ERRORS as error:
            # 409: the engine's own removal at exit is already on its way.
            if time.monotonic() > deadline:
                raise SandboxBrokenError(
                    f"container {container_id[:12]} could not be removed: {first_line(error)};"
                    f" try `docker rm -f {container_id[:12]}`"
                ) from error
        time.sleep(0.01)


def first_line(error: BaseException) -> str:
    """The first line of an error, the engine's own explanation if it has one."""
    text = str(getattr(error, "explanation", None) or error)
    return text.splitlines()[0][:300] if text else type(error).__name__
