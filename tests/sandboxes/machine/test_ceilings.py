"""The operator's ceilings: read, refused above, and kept below."""

import os

import pytest
from tests.sandboxes.conftest import BARE

from rsi.sandboxes.errors import LimitTooHighError, OperatorSettingError
from rsi.sandboxes.machine.ceilings import VARIABLE, ceilings, lowered, require_allowed
from rsi.sandboxes.types import Backend, Limits, SandboxSpec

ASKED = Limits(wall_s=60, memory_bytes=512 << 20, pids=64, cpus=(0,))


def test_without_a_word_the_machine_is_the_ceiling() -> None:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert ceilings({}) == {"memory_mb": pages // (1 << 20)}
    require_allowed(ASKED, {})
    with pytest.raises(LimitTooHighError, match="memory_mb"):
        require_allowed(Limits(wall_s=60, memory_bytes=2 * pages), {})


@pytest.mark.parametrize(
    ("ceiling", "is_allowed"),
    [
        ("memory_mb=512", True),
        ("memory_mb=511", False),
        ("pids=64, wall_s=60", True),
        ("pids=63", False),
        ("wall_s=59.5", False),
        ("disk_mb=1024 shm_mb=256", True),
        ("shm_mb=255", False),
        ("cpus=1", True),
        ("cpus=0.5", False),
    ],
)
def test_a_limit_may_reach_its_ceiling_and_not_pass_it(ceiling: str, is_allowed: bool) -> None:
    environ = {VARIABLE: ceiling}
    if is_allowed:
        require_allowed(ASKED, environ)
    else:
        with pytest.raises(LimitTooHighError, match="is asked for, and this machine allows"):
            require_allowed(ASKED, environ)
    if ceiling != "cpus=0.5":  # less than one core cannot be had
        require_allowed(lowered(ASKED, environ), environ)


@pytest.mark.parametrize(
    "words",
    [
        "memory=5",
        "pids",
        "pids=many",
        "wall_s=-1",
        "wall_s=0",
        "memory_mb=nan",
        "pids=inf",
    ],
)
def test_a_ceiling_that_cannot_be_read_is_told(words: str) -> None:
    with pytest.raises(OperatorSettingError, match=VARIABLE):
        ceilings({VARIABLE: words})


def test_no_backend_opens_above_the_ceiling(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "pids=32")
    spec = SandboxSpec(environment=BARE, limits=ASKED)
    with pytest.raises(LimitTooHighError, match="pids = 64"), backend.open(spec):
        pass
