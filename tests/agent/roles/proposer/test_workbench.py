"""The workbench in a real sandbox: a git repository, the editor that models know, commands in the background."""

import time
from dataclasses import replace

import pytest
from tests.agent.puppet import GIVE_UP, Puppet
from tests.agent.roles.proposer.test_loop import with_limits
from tests.agent.roles.proposer.test_scripted_rounds import file_of

from rsi.agent.roles.proposer.workbench import workspace
from rsi.agent.types import ProposalOutcome
from rsi.sandboxes.select import select_backend
from rsi.sandboxes.types import FileEntry, Limits, SandboxSpec

pytestmark = pytest.mark.slow

EDITOR = "str_replace_based_edit_tool"
SUBMIT = ("submit", {"hypothesis": "h", "predicted_ratio": 1.1, "risk": "r"})


def bash(command, **more):
    return ("bash", {"command": command, **more})


def editor(command, path, **more):
    return (EDITOR, {"command": command, "path": path, **more})


@pytest.fixture
def walled(lab):
    backend = select_backend("bubblewrap")
    if not backend.availability().is_available:
        pytest.skip("no bubblewrap here")
    backend.prepare(lab.task.environment)
    spec = SandboxSpec(
        environment=lab.task.environment, label="test/agent", keeps_processes=True,
        limits=Limits(wall_s=60.0, memory_bytes=512 << 20, pids=64, disk_bytes=64 << 20),
    )  # fmt: skip
    with backend.open(spec) as sandbox:
        lab.sandbox = sandbox
        yield sandbox


def texts(lab):
    return [result["text"] for result in lab.results()]


def test_the_folder_is_a_git_repository_whose_head_is_the_champion(lab, walled):
    lab.run(
        Puppet(
            editor("str_replace", "model.py", old_str="STEPS = 100", new_str="STEPS = 90"),
            bash("git diff"), bash("git stash -q && cat model.py"), bash("git stash pop -q && git diff --stat"),
            bash("git checkout -- model.py && git status --short"), bash("git log --format='%an %s'"),
            bash("mkdir -p __pycache__ && touch __pycache__/x.pyc && git status --short"),
            bash("git commit -q --allow-empty -m mine && git log --oneline | wc -l"), GIVE_UP,
        )
    )  # fmt: skip
    said = texts(lab)
    assert "-STEPS = 100\n+STEPS = 90" in said[1]
    assert "STEPS = 100" in said[2]
    assert "model.py | 2 +-" in said[3]
    assert "(no output)" in said[4]
    assert f"agent The version that this round starts from ({'a' * 12})" in said[5]
    assert "(no output)" in said[6]
    assert "exit code 0" in said[7]
    assert "2" in said[7]


HOSTILE = """
ln -s /etc/passwd ../.repository/linked
printf '#!/bin/sh\\ntouch /tmp/hooked\\n' > ../.repository/hook && chmod +x ../.repository/hook
git config core.fsmonitor /work/.repository/hook; git config filter.evil.clean 'touch /tmp/filtered; cat'
git config core.hooksPath /work/.repository; printf '*.py filter=evil\\n' > ../.repository/info/attributes
rm .git && ln -s ../.repository .git
mkdir -p sub && git init -q sub && printf x > sub/inner.py
"""


def test_what_an_agent_does_to_its_repository_reaches_nothing_of_the_host(
    lab, walled, monkeypatch, tmp_path
):
    shadow = tmp_path / "git"
    shadow.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    shadow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    linked = lab.run(Puppet(bash(HOSTILE), SUBMIT, bash("rm .git"), SUBMIT))
    assert "cannot be handed over" in texts(lab)[1]
    assert linked.outcome is ProposalOutcome.SUBMITTED, linked.reason
    assert [entry.path for entry in linked.tree] == ["model.py", "sub/inner.py", "tools/run.sh"]
    assert not (tmp_path / "called").exists()


SUBMODULE = """
git init -q /work/scratch/lib && cd /work/scratch/lib && printf 'x = 1\\n' > lib.py && git add . && git -c user.name=a -c user.email=a@b commit -qm one
cd /work/repo && git -c protocol.file.allow=always submodule --quiet add /work/scratch/lib lib && git status --short
"""


def test_a_submodule_is_handed_in_as_the_files_that_it_holds(lab, walled):
    """A commit that points into another repository would be lost with the sandbox."""
    proposal = lab.run(
        Puppet(bash(SUBMODULE), SUBMIT, bash("git diff HEAD --stat && rm .gitmodules"), SUBMIT)
    )
    said = texts(lab)
    assert "exit code 0" in said[0], said[0]
    assert ".gitmodules" in said[1]
    assert "exit code 0" in said[2], said[2]
    assert proposal.outcome is ProposalOutcome.SUBMITTED, said
    held = {entry.path: entry.content for entry in proposal.tree}
    assert held["lib/lib.py"] == b"x = 1\n"
    assert not any(".git" in path for path in held)


def test_the_editor_shows_what_it_compares_with(lab, walled):
    lab.tree = (
        FileEntry(path="dos.py", content=b"\xef\xbb\xbfa = 1\r\nb = 2\r\n\tc = 3\r\n"),
        FileEntry(path="latin.py", content=b"caf\xe9\n"),
        FileEntry(path="long.py", content=b"x" * 9000 + b"\nend\n"),
        FileEntry(path="huge.py", content=b"y\n" * 400_000),
    )
    proposal = lab.run(
        Puppet(
            editor("view", "/work/repo/dos.py"),
            editor("str_replace", "dos.py", old_str="a = 1\nb = 2\n", new_str="a = 4\n"),
            editor("insert", "dos.py", insert_line=2, insert_text="d = 5"),
            editor("view", "dos.py", view_range=[2, -1]), editor("view", "latin.py"), editor("view", "long.py"),
            editor("view", "huge.py"), editor("view", "."), editor("insert", "dos.py", insert_line=9, insert_text="x"),
            editor("create", "/work/scratch/notes.txt", file_text="mine\n"), bash("cat /work/scratch/notes.txt"),
            SUBMIT, SUBMIT,
        )
    )  # fmt: skip
    said = texts(lab)
    assert "with CRLF line ends" in said[0]
    assert "byte order mark" in said[0]
    assert "     1\ta = 1\n     2\tb = 2\n     3\t\tc = 3\n" in said[0]
    assert "     2\t\tc = 3\n     3\td = 5" in said[3]
    assert "is not UTF-8 text" in said[4]
    assert "[cut: 9000 characters in all]" in said[5]
    assert "read parts with the shell" in said[6]
    assert "dos.py" in said[7]
    assert ".git" not in said[7]
    assert "insert_line is 0 to 3" in said[8]
    assert "mine" in said[10]
    assert "the source has" in said[11]
    assert file_of(proposal.tree, "dos.py").content == (
        b"\xef\xbb\xbfa = 4\r\n\tc = 3\r\nd = 5\r\n"
    )
    assert {each.path for each in proposal.tree} == {"dos.py", "latin.py", "long.py", "huge.py"}


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (editor("fly", "x"), "must be one of ['view', 'create', 'str_replace', 'insert']"),
        ((EDITOR, {"command": "view"}), "lacks 'path'"),
        (editor("view", "model.py", view_range="[1, 2]"), "must be of type array"),
        (editor("view", "model.py", view_range=["1"]), "must be of type integer"),
        (editor("create", "model.py"), "needs 'file_text'"),
        (editor("str_replace", "model.py"), "needs 'old_str'"),
        (editor("insert", "model.py", insert_line=0), "needs 'insert_text'"),
        (editor("create", "/etc/x", file_text=""), "is outside the repo"),
        (editor("create", "/work/io/x", file_text=""), "is outside the repo"),
        (editor("create", "tools", file_text=""), "is a folder"),
        (editor("str_replace", "tools", old_str="a", new_str="b"), "is a folder"),
        (bash("sleep 1", timeout_s="10"), "must be of type number"),
        (("bash", {}), "Give the command"),
        (("bash_output", {"bash_id": "b9"}), "There is no command 'b9'"),
    ],
)  # fmt: skip
def test_sloppy_arguments_get_one_sentence(lab, walled, call, problem):
    lab.run(Puppet(call, GIVE_UP))
    assert problem in texts(lab)[0]


def test_nulls_old_names_and_bursts_are_taken(lab, walled):
    calls = [editor("view", "model.py", view_range=None, old_str=None)]
    calls += [("view", {"path": "model.py"}), ("shell", {"command": "echo old"})]
    calls += [editor("create", f"n{n}.py", file_text=f"X = {n}\n") for n in range(20)]
    proposal = lab.run(Puppet([*calls, ("bash", {"restart": True})], SUBMIT, SUBMIT))
    assert not any(result["is_error"] for result in lab.results()[:24])
    assert proposal.outcome is ProposalOutcome.SUBMITTED
    assert len(proposal.tree) == 22


def test_a_command_in_the_background_is_polled_and_one_without_end_is_gone_with_the_round(
    lab, walled
):
    started = time.monotonic()
    lab.run(
        Puppet(
            bash("echo one; sleep 0.5; echo two; exit 3", run_in_background=True),
            bash("while :; do echo beat; sleep 0.1; done", run_in_background=True),
            bash("yes", run_in_background=True),
            ("bash_output", {"bash_id": "b1", "wait_s": 20}), ("bash_output", {"bash_id": "b1"}),
            ("bash_output", {"bash_id": "b2"}), ("bash_output", {"bash_id": "b2", "wait_s": 1}),
            ("bash_output", {"bash_id": "b2", "kill": True, "wait_s": 5}),
            ("bash_output", {"bash_id": "b3", "wait_s": 20}), bash("echo room > room.txt && cat room.txt"), GIVE_UP,
        )
    )  # fmt: skip
    said = texts(lab)
    assert "Started as b1" in said[0]
    assert "b1: ended with exit code 3" in said[3]
    assert "one\ntwo" in said[3]
    assert "(no output)" in said[4]
    assert "b2: still running" in said[6]
    assert "beat" in said[6]
    assert "b2: ended: it was killed" in said[7]
    assert "b3: ended" in said[8]
    assert "room" in said[9]
    assert time.monotonic() - started < 60


def test_a_protected_file_is_refused_at_once_and_a_blocked_patch_before_it_is_taken(lab, walled):
    lab.tree = (*lab.tree, FileEntry(path="run.py", content=b"import model\n"))
    proposal = lab.run(
        Puppet(
            editor("create", "run.py", file_text="pass\n"), ("write", {"path": "./run.py", "content": "x"}),
            editor("create", "notes.txt", file_text="n\n"), SUBMIT, bash("rm notes.txt; echo x >> run.py"), SUBMIT,
            bash("git checkout -q -- run.py"), SUBMIT,
        )
    )  # fmt: skip
    said = texts(lab)
    assert said[0] == said[1]
    assert said[0].startswith("run.py is protected: ")
    assert "notes.txt: block by policy: is not among the editable files" in said[2]
    assert "Not handed over yet" in said[3]
    assert "run.py: block by protected: is protected and was changed" in said[5]
    assert said[7] == "Submitted."
    assert proposal.tree == tuple(sorted(lab.tree, key=lambda each: each.path))


def test_the_same_files_handed_in_twice_go_to_the_admission_as_they_are(lab, walled):
    write = editor("create", "notes.txt", file_text="n\n")
    proposal = lab.run(Puppet(write, SUBMIT, SUBMIT))
    assert texts(lab)[1].startswith("Not handed over yet")
    assert proposal.outcome is ProposalOutcome.SUBMITTED
    more = [[editor("create", "notes.txt", file_text=f"{n}\n"), SUBMIT] for n in range(9)]
    lab.events.clear()
    lab.scaffold = with_limits(lab.scaffold, max_turns=30)
    assert lab.run(Puppet(*more)).outcome is ProposalOutcome.SUBMITTED
    assert sum(text.startswith("Not handed over yet") for text in texts(lab)) == 3


def test_a_version_that_was_sent_back_is_gone_on_from(lab, walled):
    changed = lab.tree[0].content.replace(b"100", b"80")
    sent_back = (
        replace(lab.tree[0], content=changed),
        FileEntry(path="new.py", content=b"X = 1\n"),
    )
    puppet = Puppet(bash("git diff --stat HEAD; git status --short; cat model.py"), SUBMIT, SUBMIT)
    proposal = lab.run(
        puppet, start_commit="b" * 40, start_tree=sent_back, last_version="It was 80.", critique="Why 80?"
    )  # fmt: skip
    said = texts(lab)[0]
    assert "model.py     | 2 +-" in said
    assert "tools/run.sh | 2 --" in said
    assert "?? new.py" in said
    assert "STEPS = 80" in said
    first = puppet.requests[0].messages[0].blocks[0].text
    assert "The repository holds this change, uncommitted" in first
    assert "Why 80?" in first
    assert proposal.tree == sent_back


def test_without_git_the_round_starts_from_the_commit_and_says_so(lab, walled, monkeypatch):
    monkeypatch.setattr(
        workspace, "SOURCE", workspace.SOURCE.replace('which("git")', 'which("no-git")')
    )
    other = (FileEntry(path="model.py", content=b"X = 1\n"),)
    puppet = Puppet(bash("cat model.py"), GIVE_UP)
    lab.run(puppet, start_commit="b" * 40, start_tree=other, last_version="It was 80.")
    assert "STEPS = 100" in texts(lab)[0]
    assert "The change is not in the repository" in puppet.requests[0].messages[0].blocks[0].text


def test_a_bomb_in_the_background_hurts_its_own_round_alone(lab, walled):
    bomb = "for n in $(seq 400); do sleep 300 & done; wait"
    kill = ("bash_output", {"bash_id": "b1", "kill": True, "wait_s": 5})
    proposal = lab.run(
        Puppet(
            bash(bomb, run_in_background=True), bash("sleep 1"), kill, bash("echo alive"), GIVE_UP
        )
    )
    assert (proposal.outcome, proposal.reason) == (ProposalOutcome.GAVE_UP, "done") or (
        proposal.outcome is ProposalOutcome.NO_PATCH and "sandbox" in proposal.reason
    )
