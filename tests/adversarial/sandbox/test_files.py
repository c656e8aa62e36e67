"""Attacks on files: reading the host's, writing outside, and trees made to hurt whoever unpacks them."""

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.inside.filetree import TarReader, without_git
from rsi.sandboxes.types import ExecOutcome, FileEntry, Mount

pytestmark = pytest.mark.slow
TRUSTING = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}


def test_reading_a_file_of_the_host(arena, walls_up, canary):
    mounts = () if walls_up else (Mount(source=canary.parent, target=str(canary.parent)),)
    program = f"""
import os
for root in ("", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/fd/3", "/.."):
    try: print(open(root + {str(canary)!r}).read())
    except OSError: pass
"""
    result = arena.run(program, mounts=mounts)
    assert (b"canary-7f3a" not in result.stdout) is walls_up


def test_reading_the_environment_of_the_host(arena, walls_up):
    secret = {"RSI_ATTACK_SECRET": "canary-7f3a"}
    program = """
import os
found = dict(os.environ)
for pid in os.listdir("/proc"):
    if pid.isdigit():
        try: found[pid] = open(f"/proc/{pid}/environ", errors="replace").read()
        except OSError: pass
print(found)
"""
    os.environ |= secret
    try:
        result = arena.run(program, variables={} if walls_up else dict(secret))
    finally:
        del os.environ["RSI_ATTACK_SECRET"]
    assert (b"canary-7f3a" not in result.stdout) is walls_up


def test_writing_outside_the_working_folder(arena, walls_up):
    program = """
import os
for folder, inner, _ in os.walk("/"):
    if folder.count("/") > 2: inner.clear()
    if folder.startswith(("/work", "/tmp", "/dev/shm", "/proc", "/dev/pts", "/dev/mqueue")): continue
    try: os.close(os.open(folder + "/rsi-attack", os.O_CREAT | os.O_WRONLY)); print(folder); break
    except OSError: pass
"""
    result = arena.run(program, without=() if walls_up else ("read_only_root",))
    assert (result.stdout == b"") is walls_up


def test_changing_a_read_only_input(arena, walls_up, tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / "split.bin").write_bytes(b"hidden data")
    (tmp_path / "split.bin").chmod(0o666)
    program = """
import os, sys
path = sys.argv[1]
for how in ("r+b", "wb", "ab"):
    try: open(path, how).write(b"changed"); break
    except OSError: pass
try: os.unlink(path)
except OSError: pass
"""
    mount = Mount(source=tmp_path, target="/given")
    with arena.open(mounts=(mount,), without=() if walls_up else ("host",)) as sandbox:
        sandbox.exec(["python", "-c", program, "/given/split.bin"])
    intact = (tmp_path / "split.bin").exists() and (
        tmp_path / "split.bin"
    ).read_bytes() == b"hidden data"
    assert intact is walls_up


def naive_fetch(sandbox, target: Path) -> None:
    """What everybody writes first: tar inside, extract outside, trust all of it."""
    stream = sandbox.exec(["tar", "-C", "/work", "-cf", "-", "."]).stdout
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        archive.extractall(target, **TRUSTING)


@pytest.mark.parametrize("link", ["symbolic", "through a folder"])
def test_exfiltration_by_a_link(arena, walls_up, link, canary, tmp_path):
    """The link points at a file of the host; who follows it outside reads that file."""
    source = canary if link == "symbolic" else canary.parent
    with arena.open(output_bytes=1 << 20) as sandbox:
        sandbox.exec(["ln", "-s", str(source), "result"])
        if walls_up:
            with pytest.raises(FileTreeError, match="symbolic link"):
                sandbox.get("/work", max_bytes=1000)
            return
        naive_fetch(sandbox, tmp_path / "out")
    leaf = tmp_path / "out" / "result"
    assert (leaf if link == "symbolic" else leaf / canary.name).read_text() == "canary-7f3a"


def test_a_hard_link_is_refused(arena, walls_up, tmp_path):
    """Outside, a hard link makes two names one file: who repairs one changes the other."""
    with arena.open(output_bytes=1 << 20) as sandbox:
        sandbox.exec(["sh", "-c", "echo 1 > a; ln a b"])
        if walls_up:
            with pytest.raises(FileTreeError, match="hard link"):
                sandbox.get("/work", max_bytes=1000)
            return
        naive_fetch(sandbox, tmp_path / "out")
    assert (tmp_path / "out" / "a").samefile(tmp_path / "out" / "b")


def test_a_tar_that_climbs_out(walls_up, tmp_path):
    """A hostile stream, as if even the courier inside had been replaced."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("../victim.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"owned"))
    if walls_up:
        reader = TarReader(max_bytes=1000, max_files=10)
        with pytest.raises(FileTreeError):
            reader.feed(buffer.getvalue())
    else:
        (tmp_path / "out").mkdir()
        with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as archive:
            archive.extractall(tmp_path / "out", **TRUSTING)
    assert (tmp_path / "victim.txt").exists() is not walls_up


@pytest.mark.parametrize(
    "maker",
    ["os.mkfifo('odd')", "socket.socket(socket.AF_UNIX).bind('odd')"],
    ids=["fifo", "socket"],
)
def test_a_special_file_in_the_tree(arena, walls_up, maker, tmp_path):
    """Outside, a fifo blocks whoever reads it; tar leaves a socket behind in silence, and with it the evidence."""
    with arena.open(output_bytes=1 << 20) as sandbox:
        sandbox.exec(["python", "-c", f"import os, socket; {maker}"])
        if walls_up:
            with pytest.raises(FileTreeError, match=r"fifo|socket"):
                sandbox.get("/work", max_bytes=1000)
            return
        naive_fetch(sandbox, tmp_path / "out")
    left = tmp_path / "out" / "odd"
    assert stat.S_ISFIFO(left.lstat().st_mode) if "fifo" in maker else not left.exists()


def test_a_sparse_giant_in_the_tree(arena, walls_up):
    """Ten mebibytes that take no room inside would take it outside."""
    with arena.open(output_bytes=1 << 20) as sandbox:
        sandbox.exec(["truncate", "-s", "10M", "giant"])
        if walls_up:
            with pytest.raises(FileTreeError, match="larger"):
                sandbox.get("/work", max_bytes=1 << 20)
            assert sandbox.exec(["echo", "alive"]).stdout == b"alive\n"
        else:
            assert len(sandbox.get("/work", max_bytes=1 << 24)[0].content) == 10 << 20


@pytest.mark.parametrize(
    "name",
    [b"a\nb", b"\x1b]0;owned\x07", b"\xff\xfe", b"a\rb", "a\u202etxt.exe".encode(), b"tab\there"],
)
def test_a_file_name_made_to_deceive(arena, walls_up, name, tmp_path):
    with arena.open(output_bytes=1 << 20) as sandbox:
        made = sandbox.exec(["python", "-c", f"open({name!r}, 'w').close()"])
        assert made.outcome is ExecOutcome.OK
        if walls_up:
            with pytest.raises(FileTreeError) as refusal:
                sandbox.get("/work", max_bytes=1000)
            assert str(refusal.value).isprintable()
            return
        naive_fetch(sandbox, tmp_path / "out")
    (found,) = (tmp_path / "out").iterdir()
    assert os.fsencode(found.name) == name, (
        "it came out as it was, for every screen and log to print"
    )


def test_a_tree_too_deep_to_walk(arena, walls_up, tmp_path):
    """Outside, its deepest path is longer than any that a program may name, so it cannot even be opened."""
    program = "import os\nfor _ in range(60):\n    os.mkdir('d' * 200); os.chdir('d' * 200)\nopen('x', 'w').close()"
    with arena.open(output_bytes=1 << 20) as sandbox:
        assert sandbox.exec(["python", "-c", program]).outcome is ExecOutcome.OK
        if walls_up:
            with pytest.raises(FileTreeError):
                sandbox.get("/work", max_bytes=1000)
            return
        with pytest.raises(OSError, match="too long"):
            naive_fetch(sandbox, tmp_path / "out")


@pytest.mark.parametrize("spelling", [".git", ".GIT", "git~1", ".g\u200cit"])
def test_spellings_of_git_are_left_behind(spelling, walls_up):
    """A file system that folds names takes each for a repository; comparing with ".git" alone lets most through."""
    tree = (
        FileEntry(path=f"sub/{spelling}/config", content=b""),
        FileEntry(path="ok/git.py", content=b""),
    )
    naive = [entry for entry in tree if ".git" not in entry.path.split("/")]
    kept = without_git(tree) if walls_up else naive
    is_left_behind = [entry.path for entry in kept] == ["ok/git.py"]
    assert is_left_behind is (walls_up or spelling == ".git")


def test_a_hostile_git_config(arena, walls_up, tmp_path):
    """The host's git runs what a repository's own config names, already for `git status`."""
    marker, out = tmp_path / "owned", tmp_path / "out"
    config = f"[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch {marker}; false\n"
    with arena.open() as sandbox:
        sandbox.put(
            [
                FileEntry(path="train.py", content=b"print(1)\n"),
                FileEntry(path=".git/HEAD", content=b"ref: refs/heads/main\n"),
                FileEntry(path=".git/config", content=config.encode()),
                FileEntry(path=".git/objects/keep", content=b""),
                FileEntry(path=".git/refs/keep", content=b""),
            ]
        )
        tree = sandbox.get("/work", max_bytes=10_000)
    for entry in without_git(tree) if walls_up else tree:
        path = out / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.content)
    if walls_up:
        subprocess.run(["git", "init", "-q", str(out)], check=True)
    subprocess.run(["git", "-C", str(out), "add", "-A"], capture_output=True, check=False)
    subprocess.run(["git", "-C", str(out), "status"], capture_output=True, check=False)
    assert marker.exists() is not walls_up
