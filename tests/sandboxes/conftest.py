"""Backends to test on, each skipped with its reason where it cannot run."""

from collections.abc import Callable

import pytest
from tests.backends import require

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import Backend, Environment, Limits, SandboxSpec

BARE = Environment(name="conformance")


def ready(backend: Backend) -> Backend:
    """The backend with the environment of these tests, or a skip that says why."""
    require(backend).prepare(BARE)
    return backend


@pytest.fixture(scope="session")
def bubblewrap() -> Backend:
    return ready(BubblewrapBackend())


@pytest.fixture(scope="session")
def watched_bubblewrap() -> Backend:
    return ready(BubblewrapBackend(use_cgroups=False))


@pytest.fixture(scope="session")
def process() -> Backend:
    return ready(ProcessBackend())


@pytest.fixture(scope="session")
def docker_backend() -> Backend:
    from rsi.sandboxes.docker.backend import DockerBackend

    return ready(DockerBackend())


@pytest.fixture(
    params=[
        "bubblewrap",
        pytest.param("watched_bubblewrap", marks=pytest.mark.slow),
        "process",
        pytest.param("docker_backend", marks=pytest.mark.docker),
    ]
)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def make_spec() -> Callable[..., SandboxSpec]:
    """A small spec; keyword arguments change its limits."""

    def make(**limits: object) -> SandboxSpec:
        usual = {"wall_s": 20.0, "memory_bytes": 256 << 20, "pids": 64, "disk_bytes": 32 << 20}
        usual |= {"shm_bytes": 8 << 20}
        return SandboxSpec(environment=BARE, limits=Limits(**{**usual, **limits}), label="test")

    return make
