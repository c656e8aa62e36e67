"""Every backend keeps every guarantee that it makes."""

import pytest

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend, Protections
from rsi.sandboxes.guarantees.catalogue import GUARANTEES
from rsi.sandboxes.guarantees.conformance import CheckState, run_conformance
from rsi.sandboxes.types import Assurance

pytestmark = pytest.mark.slow


def test_every_guarantee_is_kept(backend):
    results = run_conformance(backend)
    assert [
        f"{each.name}: {each.detail}" for each in results if each.state is CheckState.BROKEN
    ] == []
    assert len(results) == len(GUARANTEES)


def test_only_a_backend_without_walls_guarantees_less(backend):
    names = {guarantee.name for guarantee in GUARANTEES if guarantee.needs_wall}
    results = run_conformance(backend, names={"sockets", "read_only"})
    states = {each.state for each in results if each.name in names}
    is_open = backend.assurance is Assurance.NONE
    assert states == {CheckState.NOT_GUARANTEED if is_open else CheckState.KEPT}


@pytest.mark.parametrize(
    ("torn_down", "noticed"),
    [
        (Protections(network=False), {"network", "abstract_sockets"}),
        (Protections(seccomp=False), {"sockets", "calls", "privileges", "kept_cores"}),
        (Protections(sized_tmpfs=False), {"disk", "inodes", "shared_memory"}),
        (Protections(read_only_root=False), {"read_only"}),
    ],
    ids=["network", "seccomp", "sized_tmpfs", "read_only_root"],
)
def test_a_check_notices_when_its_wall_is_gone(bubblewrap, torn_down, noticed):
    names = {*noticed, "work"}
    results = run_conformance(BubblewrapBackend(protections=torn_down), names=names)
    broken = {each.name for each in results if each.state is CheckState.BROKEN}
    assert broken == noticed
