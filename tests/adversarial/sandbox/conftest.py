"""Where attacks are run: a real backend with its walls up, or with one of them taken down on purpose.

Each attack is run twice. With the walls up it must fail and end in a named outcome; with its wall down it must
succeed, which shows that the attack is real and the test could fail.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.backends import require

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend, Protections
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import (
    Backend,
    Environment,
    ExecOutcome,
    ExecResult,
    Limits,
    Mount,
    Sandbox,
    SandboxSpec,
)

BARE = Environment(name="conformance")
MEBIBYTE = 1 << 20
SMALL = {
    "wall_s": 15.0,
    "memory_bytes": 128 * MEBIBYTE,
    "pids": 32,
    "disk_bytes": 16 * MEBIBYTE,
    "inodes": 300,
    "shm_bytes": 4 * MEBIBYTE,
    "output_bytes": 64 << 10,
}


@dataclass(frozen=True, kw_only=True)
class Arena:
    """Opens sandboxes of one kind, with or without one of their walls."""

    kind: str
    make: Callable[..., Backend]
    opened: list[Backend] = field(default_factory=list)

    def open(
        self,
        *,
        without: tuple[str, ...] = (),
        mounts: tuple[Mount, ...] = (),
        variables: dict[str, str] | None = None,
        **limits: object,
    ) -> AbstractContextManager[Sandbox]:
        """A sandbox with small limits; `without` names walls to take down, `limits` changes limits."""
        spec = SandboxSpec(
            environment=BARE,
            limits=Limits(**{**SMALL, **limits}),
            mounts=mounts,
            variables=variables or {},
            label="attack",
        )
        return self.make(without).open(spec)

    def run(self, program: str, **how: object) -> ExecResult:
        """Run a Python program in a sandbox of its own."""
        with self.open(**how) as sandbox:
            return sandbox.exec(["python", "-c", program])


def _bubblewrap(without: tuple[str, ...], *, use_cgroups: bool = True) -> Backend:
    if "host" in without:
        return ProcessBackend()
    names = {"pids": "rlimits"}
    down = {names.get(name, name): False for name in without}
    # The process limit stands twice, as a control group and as a resource limit: take both down.
    return BubblewrapBackend(
        use_cgroups=use_cgroups and "pids" not in without, protections=Protections(**down)
    )


def _watched(without: tuple[str, ...]) -> Backend:
    return _bubblewrap(without, use_cgroups=False)


def _docker(without: tuple[str, ...]) -> Backend:
    from rsi.sandboxes.docker.backend import DockerBackend, Hardening

    if "host" in without:
        return ProcessBackend()
    names = {"pids": "pids_limit"}
    return DockerBackend(hardening=Hardening(**{names.get(name, name): False for name in without}))


ARENAS = {
    "bubblewrap": (_bubblewrap, ()),
    "bubblewrap without control groups": (_watched, pytest.mark.slow),
    "docker": (_docker, pytest.mark.docker),
}
"""Each backend with walls, and how its walls are taken down."""


@pytest.fixture(params=[pytest.param(name, marks=marks) for name, (_, marks) in ARENAS.items()])
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """Each walled backend in turn; afterwards a fresh sandbox must work as if nothing had happened."""
    kind = request.param
    make, _ = ARENAS[kind]
    require(make(()))
    arena = Arena(kind=kind, make=make)
    yield arena
    with arena.open() as next_one:
        result = next_one.exec(["python", "-c", "import os; print(os.listdir('/work'))"])
    assert (result.outcome, result.stdout) == (ExecOutcome.OK, b"[]\n")


@pytest.fixture(params=[True, False], ids=["walls up", "wall down"])
def walls_up(request: pytest.FixtureRequest) -> bool:
    """Whether the wall that the attack is about stands."""
    return request.param


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file of the host that nothing inside may read."""
    tmp_path.chmod(0o755)
    path = tmp_path / "canary.txt"
    path.write_text("canary-7f3a")
    path.chmod(0o644)
    return path
