"""Backends to test on, each skipped with its reason where it cannot run."""

from collections.abc import Callable
from functools import cache

import pytest
from tests.backends import require

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.select import BACKENDS
from rsi.sandboxes.types import Backend, Environment, Limits, SandboxSpec

BARE = Environment(name="conformance")
WATCHED = "bubblewrap without control groups"


def ready(backend: Backend) -> Backend:
    """The backend with the environment of these tests, or a skip that says why."""
    require(backend).prepare(BARE)
    return backend


def kinds() -> list[object]:
    """Each backend by its name in the table, an added one too, and bubblewrap where it has no control groups."""
    lanes = {"docker": pytest.mark.docker}
    named = [(each.name, lanes.get(each.name.partition("+")[0], ())) for each in BACKENDS]
    return [
        pytest.param(name, marks=marks) for name, marks in (*named, (WATCHED, pytest.mark.slow))
    ]


@pytest.fixture(scope="session")
def backend_named() -> Callable[[str], Backend]:
    """A backend that is ready, made once for all tests."""

    @cache
    def named(name: str) -> Backend:
        if name == WATCHED:
            return ready(BubblewrapBackend(use_cgroups=False))
        return ready(next(each for each in BACKENDS if each.name == name).make())

    return named


@pytest.fixture(scope="session")
def bubblewrap(backend_named) -> Backend:
    return backend_named("bubblewrap")


@pytest.fixture(scope="session")
def watched_bubblewrap(backend_named) -> Backend:
    return backend_named(WATCHED)


@pytest.fixture(scope="session")
def process(backend_named) -> Backend:
    return backend_named("process")


@pytest.fixture(scope="session")
def docker_backend(backend_named) -> Backend:
    return backend_named("docker")


@pytest.fixture(params=kinds())
def backend(request: pytest.FixtureRequest, backend_named) -> Backend:
    """Each backend in turn."""
    return backend_named(request.param)


@pytest.fixture
def make_spec() -> Callable[..., SandboxSpec]:
    """A small spec; keyword arguments change its limits."""

    def make(**limits: object) -> SandboxSpec:
        usual = {"wall_s": 20.0, "memory_bytes": 256 << 20, "pids": 64, "disk_bytes": 32 << 20}
        usual |= {"shm_bytes": 8 << 20}
        return SandboxSpec(environment=BARE, limits=Limits(**{**usual, **limits}), label="test")

    return make
