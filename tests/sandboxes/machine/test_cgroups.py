"""Which control groups are ours to clear up."""

import pytest

from rsi.sandboxes.machine import cgroups
from rsi.sandboxes.machine.owners import owner_tag
from rsi.sandboxes.types import Limits


@pytest.mark.parametrize(
    "name",
    [
        "rsi-worker.service",
        "rsi-1-2",
        "rsi-.-0",
        "rsi-12.34-5.service",
        "rsi-x12.34-5",
        "rsi-12.34-probe",
        "rsi-12.34-5\n",
    ],
)
def test_a_group_that_only_begins_alike_has_no_owner_and_is_never_reaped(name):
    assert cgroups.owner_of(name) is None


@pytest.mark.parametrize("end", ["0", "17", "probe0"])
def test_the_groups_that_are_made_name_their_owner(end):
    assert cgroups.owner_of(f"rsi-{owner_tag()}-{end}") == owner_tag()


def test_a_group_as_it_is_really_made_names_its_owner():
    group = cgroups.create(Limits(wall_s=1, memory_bytes=64 << 20))
    if group is None:
        pytest.skip("no control group can be made here")
    try:
        assert cgroups.owner_of(group.cpu.name) == owner_tag()
    finally:
        group.remove()
