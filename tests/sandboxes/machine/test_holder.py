"""Who holds the machine for a measurement is told to whoever waits, and to nobody once the lock is free."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from rsi.sandboxes.machine.leases import SAID_AFTER_S, machine_holder, machine_lock


def test_the_holder_is_told_while_it_holds_and_not_afterwards(tmp_path):
    assert machine_holder(tmp_path) is None
    with machine_lock(tmp_path, what="screen of c1-0001") as is_held:
        assert is_held
        found = machine_holder(tmp_path)
        assert (found.what, found.pid) == ("screen of c1-0001", os.getpid())
        assert datetime.now(UTC) - found.since < timedelta(seconds=30)
        with machine_lock(tmp_path, should_stop=lambda: True, what="another") as second:
            assert not second
        assert machine_holder(tmp_path) == found
    assert machine_holder(tmp_path) is None


def test_what_a_killed_holder_left_is_passed_over(tmp_path):
    code = (
        "import os; from pathlib import Path; from rsi.sandboxes.machine.leases import machine_lock\n"
        f"with machine_lock(Path({str(tmp_path)!r}), what='gone'): os._exit(9)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=False, timeout=60)
    assert (tmp_path / "measuring.holder").exists()
    assert machine_holder(tmp_path) is None


def test_a_note_that_cannot_be_read_says_nothing(tmp_path):
    with machine_lock(tmp_path, what="x"):
        (tmp_path / "measuring.holder").write_text('{"what": 3')
        assert machine_holder(tmp_path) is None
        (tmp_path / "measuring.holder").unlink()
        assert machine_holder(tmp_path) is None


def test_a_folder_without_room_for_a_note_holds_the_lock_all_the_same(tmp_path):
    (tmp_path / "measuring.holder").mkdir()
    with machine_lock(tmp_path, what="x") as is_held:
        assert is_held
        assert machine_holder(tmp_path) is None


def test_a_wait_that_is_long_is_said_once_with_who_holds_the_machine(tmp_path, caplog):
    asked = []

    def has_waited() -> bool:
        asked.append(time.monotonic())
        return asked[-1] - asked[0] > SAID_AFTER_S + 0.5

    with (
        machine_lock(tmp_path, what="screen of c1-0001"),
        machine_lock(tmp_path, should_stop=has_waited) as second,
    ):
        assert not second
    said = [each.getMessage() for each in caplog.records]
    assert len(said) == 1
    assert said[0].startswith(
        f"waiting for this machine: screen of c1-0001 (process {os.getpid()}) has it since "
    )
