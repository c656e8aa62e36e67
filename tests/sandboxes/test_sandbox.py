"""What an open sandbox does, the same on every backend."""

import os
import time

import pytest

from rsi.sandboxes.errors import FileTreeError, SandboxBrokenError
from rsi.sandboxes.types import ExecOutcome, FileEntry

pytestmark = pytest.mark.slow


def test_a_missing_program_is_a_crash_with_a_message(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        result = sandbox.exec(["no-such-program"])
    assert (result.outcome, result.exit_code) == (ExecOutcome.CRASHED, 127)
    assert b"no-such-program" in result.stderr


def test_a_signal_of_its_own_is_a_crash_with_its_number(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        result = sandbox.exec(["sh", "-c", "kill -SEGV $$"])
    assert (result.outcome, result.exit_code) == (ExecOutcome.CRASHED, -11)


def test_a_tighter_deadline_binds_one_command(backend, make_spec):
    started = time.monotonic()
    with backend.open(make_spec()) as sandbox:
        result = sandbox.exec(["sleep", "30"], wall_s=0.3)
    assert result.outcome is ExecOutcome.TIMEOUT
    assert 0.3 <= result.wall_s < 2
    assert time.monotonic() - started < 15


def test_a_looser_deadline_than_the_sandbox_has_does_not_bind(backend, make_spec):
    with backend.open(make_spec(wall_s=0.3)) as sandbox:
        assert sandbox.exec(["sleep", "30"], wall_s=60).outcome is ExecOutcome.TIMEOUT


def test_work_that_is_killed_at_the_deadline_was_counted(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        result = sandbox.exec(["sh", "-c", "while :; do :; done"], wall_s=0.6)
    assert 0.05 < result.cpu_s < 0.9  # how much depends on who else is busy


def test_a_program_finds_its_own_machine_by_name(backend, make_spec):
    """What starts several processes, such as torchrun, lets them meet there."""
    code = "import socket; print(socket.gethostbyname(socket.gethostname()))"
    with backend.open(make_spec()) as sandbox:
        result = sandbox.exec(["python", "-c", code])
    assert result.outcome is ExecOutcome.OK, result.stderr
    if backend.name != "process":
        assert result.stdout.strip() == b"127.0.0.1"


def test_a_big_stdin_arrives_whole(backend, make_spec):
    payload = os.urandom(5 << 20)
    with backend.open(make_spec()) as sandbox:
        result = sandbox.exec(["wc", "-c"], stdin=payload)
    assert result.stdout.strip() == b"%d" % len(payload)


def test_a_command_that_ignores_its_stdin_is_no_problem(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        assert sandbox.exec(["true"], stdin=b"x" * (1 << 20)).outcome is ExecOutcome.OK
        assert sandbox.exec(["echo", "next"]).stdout == b"next\n"


def test_out_of_memory_leaves_the_sandbox_and_its_files(backend, make_spec):
    hungry = "x = [bytearray(b'x') * (1 << 20) for _ in range(200)]"
    with backend.open(make_spec(memory_bytes=96 << 20)) as sandbox:
        sandbox.put([FileEntry(path="kept", content=b"1")])
        assert sandbox.exec(["python", "-c", hungry]).outcome is ExecOutcome.OOM
        assert sandbox.exec(["cat", "kept"]).stdout == b"1"


def test_variables_of_one_command_are_gone_in_the_next(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        assert sandbox.exec(["sh", "-c", "echo $ONCE"], variables={"ONCE": "1"}).stdout == b"1\n"
        assert sandbox.exec(["sh", "-c", "echo $ONCE"]).stdout == b"\n"


def test_files_replace_what_is_there_and_never_follow_a_link(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        sandbox.exec(
            ["sh", "-c", "echo secret > target; ln -s target link; mkdir real; ln -s real folder"]
        )
        sandbox.put([FileEntry(path="link", content=b"new")])
        assert sandbox.exec(["cat", "target"]).stdout == b"secret\n"
        assert sandbox.exec(["cat", "link"]).stdout == b"new"
        with pytest.raises(FileTreeError):
            sandbox.put([FileEntry(path="folder/x", content=b"")])


def test_files_that_do_not_fit_are_refused_with_a_message(backend, make_spec):
    if backend.assurance == "none":
        pytest.skip("a plain process has no disk of its own")
    with (
        backend.open(make_spec(disk_bytes=4 << 20)) as sandbox,
        pytest.raises(FileTreeError, match="No space"),
    ):
        sandbox.put([FileEntry(path="big", content=b"x" * (5 << 20))])


def test_a_missing_folder_is_refused_with_a_message(backend, make_spec):
    with backend.open(make_spec()) as sandbox, pytest.raises(FileTreeError, match="no-such"):
        sandbox.get("/work/no-such", max_bytes=10)


def test_a_refused_tree_does_not_harm_the_sandbox(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        sandbox.exec(["sh", "-c", "head -c 3000000 /dev/zero > big; mkdir ok; echo 1 > ok/a"])
        with pytest.raises(FileTreeError):
            sandbox.get("/work", max_bytes=1 << 20)
        assert sandbox.get("/work/ok", max_bytes=100) == (FileEntry(path="a", content=b"1\n"),)


def test_two_surveys_show_what_was_changed_between_them_and_taken_back(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        sandbox.put([FileEntry(path=f"code/{name}", content=b"1") for name in "abc"])
        before = sandbox.survey(max_entries=10)
        assert sandbox.survey(max_entries=10) == before
        assert set(before) == {"code", "code/a", "code/b", "code/c"}
        sandbox.exec(
            ["sh", "-c", "cd code; echo 2 > a; printf 1 > a; ln -s b d; mkfifo e; mkdir out"]
        )
        after = sandbox.survey(max_entries=10, skipped="code/out")
        assert before["code/a"].sha256 == after["code/a"].sha256
        changed = {path for path in after if after[path] != before.get(path)}
        assert changed == {"code", "code/a", "code/d", "code/e"}
        with pytest.raises(FileTreeError, match="more than 3 entries"):
            sandbox.survey(max_entries=3)
        with pytest.raises(FileTreeError, match="no-such"):
            sandbox.survey("/work/no-such", max_entries=3)


def test_an_empty_command_is_refused(backend, make_spec):
    with backend.open(make_spec()) as sandbox, pytest.raises(ValueError, match="empty"):
        sandbox.exec([])


def test_a_closed_sandbox_says_so(backend, make_spec):
    with backend.open(make_spec()) as sandbox:
        pass
    with pytest.raises(SandboxBrokenError):
        sandbox.exec(["true"])
