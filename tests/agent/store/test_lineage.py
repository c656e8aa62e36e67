"""What a lineage promises: nothing overwritten, nothing executed, one champion at a time."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsi.agent.errors import (
    LineageConflictError,
    LineageError,
    LineageNameError,
    LineageTreeError,
    StaleChampionError,
    UnknownCommitError,
)
from rsi.agent.store.git.lineage import CANDIDATE_REFS, Lineage
from rsi.agent.store.home import Home
from rsi.sandboxes.types import FileEntry

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
TREE = (
    FileEntry(path="run.sh", content=b"#!/bin/sh\n", is_executable=True),
    FileEntry(path="src/model.py", content=b"x = 1\n"),
)
FASTER = (TREE[0], FileEntry(path="src/model.py", content=b"x = 2\n"))


@pytest.fixture
def baseline(lineage: Lineage) -> str:
    return lineage.import_baseline(TREE, "Baseline")


def candidate(lineage: Lineage, number: int, parent: str, tree=FASTER, **options: object) -> str:
    return lineage.commit_candidate(
        f"c1-{number:04d}", parent, tree, f"Idea {number}", at=AT, **options
    )


def kept(lineage: Lineage) -> dict[str, str]:
    """Commits of candidates by the name of their ref."""
    listing = lineage.git_dir.output(
        ["for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", CANDIDATE_REFS]
    )
    return dict(line.split() for line in listing.decode().splitlines())


def test_the_baseline_is_the_first_champion(lineage: Lineage, baseline: str):
    assert lineage.baseline() == lineage.champion() == baseline
    assert lineage.tree(baseline) == TREE
    assert lineage.commit(baseline).parent is None


def test_the_same_baseline_again_is_no_change_and_another_one_is_refused(
    lineage: Lineage, baseline: str, tmp_path: Path
):
    assert lineage.import_baseline(tuple(reversed(TREE)), "Again") == baseline
    with pytest.raises(LineageConflictError, match="another baseline"):
        lineage.import_baseline(FASTER, "Other")
    elsewhere = Lineage.open(Home(root=tmp_path / "other").create(), "toy-main")
    assert elsewhere.import_baseline(TREE, "Baseline") == baseline, "the same on every machine"


def test_a_baseline_interrupted_before_its_champion_is_finished(lineage: Lineage, baseline: str):
    lineage.git_dir.output(["update-ref", "-d", "refs/rsi/champion"])
    assert lineage.import_baseline(TREE, "Baseline") == baseline
    assert lineage.champion() == baseline


def test_a_candidate_is_kept_and_its_story_reads_back(lineage: Lineage, baseline: str):
    commit = lineage.commit_candidate(
        "c1-0001",
        baseline,
        FASTER,
        "Use two\n\nBecause.\n\nForged: yes",
        {"Round": "c1-0001", "Audit-Head": "f" * 64 + "\nInjected: x"},
        at=AT,
        author="A. Model <model@x>",
    )
    story = lineage.commit(commit)
    assert (story.parent, story.title, story.at) == (baseline, "Use two", AT)
    assert story.message == "Use two\n\nBecause.\n\nForged: yes"
    assert story.trailers == {
        "Lineage": "toy-main",
        "Round": "c1-0001",
        "Audit-Head": "f" * 64 + " Injected: x",
    }
    assert story.author == "A. Model <model@x>"
    assert lineage.tree(commit) == FASTER
    assert lineage.champion() == baseline, "a candidate is no champion"
    assert kept(lineage) == {"c1-0001": commit}


def test_the_same_candidate_again_is_the_same_commit_and_another_is_refused(
    lineage: Lineage, baseline: str
):
    commit = candidate(lineage, 1, baseline)
    later = lineage.commit_candidate(
        "c1-0001", baseline, FASTER, "other words", at=datetime(2027, 1, 1, tzinfo=UTC)
    )
    assert later == commit
    with pytest.raises(LineageConflictError, match="never overwritten"):
        candidate(lineage, 1, baseline, TREE)
    with pytest.raises(LineageConflictError):
        lineage.commit_candidate("c1-0001", commit, FASTER, "on another parent", at=AT)
    assert kept(lineage) == {"c1-0001": commit}


def test_a_revised_candidate_stands_beside_the_first(lineage: Lineage, baseline: str):
    first = candidate(lineage, 1, baseline)
    second = candidate(lineage, 1, baseline, TREE, attempt=1)
    assert kept(lineage) == {"c1-0001": first, "c1-0001.1": second}


def test_the_champion_moves_only_from_where_it_was_seen(lineage: Lineage, baseline: str):
    first, second = candidate(lineage, 1, baseline), candidate(lineage, 2, baseline)
    assert lineage.move_champion(baseline, first, "round 1\nwon")
    assert not lineage.move_champion(baseline, first, "again"), "the same move again is no change"
    with pytest.raises(StaleChampionError, match=f"is {first[:12]} by now"):
        lineage.move_champion(baseline, second, "late")
    assert lineage.champion() == first
    assert [item.commit for item in lineage.history()] == [first, baseline]
    assert lineage.move_champion(first, baseline, "rolled back")
    assert lineage.champion() == lineage.baseline()


def test_of_many_moves_at_once_one_wins(lineage: Lineage, baseline: str):
    commits = [
        candidate(lineage, n, baseline, (FileEntry(path="n", content=bytes([n])),))
        for n in range(6)
    ]

    def move(commit: str) -> bool:
        try:
            return lineage.move_champion(baseline, commit, "race")
        except (StaleChampionError, LineageError):
            return False

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(move, commits))
    assert sum(results) == 1
    assert lineage.champion() == commits[results.index(True)]


def test_a_lineage_that_many_open_at_once_is_made_once(tmp_path: Path):
    home = Home(root=tmp_path / "home")
    for number in range(5):

        def start(_: int, name: str = f"fresh{number}") -> str:
            return Lineage.open(home, name).import_baseline(TREE, "Baseline")

        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(start, range(6)))) == 1
    assert len(list(home.lineages.iterdir())) == 5, "nothing half made is left"


def test_of_many_candidates_of_one_round_at_once_all_get_the_same_commit(
    lineage: Lineage, baseline: str
):
    with ThreadPoolExecutor(4) as pool:
        commits = list(pool.map(lambda _: candidate(lineage, 1, baseline), range(4)))
    assert len(set(commits)) == 1


def test_a_diff_and_its_size(lineage: Lineage, baseline: str):
    tree = (*FASTER, FileEntry(path="weights.bin", content=b"\0\xff" * 10))
    commit = candidate(lineage, 1, baseline, tree)
    text = lineage.diff(baseline, commit)
    assert "-x = 1\n+x = 2\n" in text
    assert "Binary files" in text
    model, weights = lineage.diff_stat(baseline, commit)
    assert (model.path, model.added_lines, model.removed_lines) == ("src/model.py", 1, 1)
    assert (weights.path, weights.added_lines) == ("weights.bin", None)
    assert lineage.diff(commit, commit) == ""


def test_a_diff_longer_than_anyone_reads_is_cut_and_says_so(lineage: Lineage, baseline: str):
    tree = (FileEntry(path="big.py", content=b"line\n" * 200_000),)
    text = lineage.diff(baseline, candidate(lineage, 1, baseline, tree), limit_bytes=10_000)
    assert len(text) < 10_200
    assert text.endswith("the rest is not shown\n")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "./a",
        "a//b",
        "a/",
        ".git/config",
        "x/.GIT/hooks/y",
        "a\0b",
    ],
)
def test_paths_that_could_escape_are_refused(lineage: Lineage, baseline: str, path: str):
    with pytest.raises(LineageTreeError, match="cannot be kept"):
        candidate(lineage, 1, baseline, (FileEntry(path=path, content=b""),))
    assert kept(lineage) == {}


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b"), ("a/b", "a")])
def test_a_path_twice_is_refused(lineage: Lineage, baseline: str, paths: tuple[str, ...]):
    tree = tuple(FileEntry(path=path, content=b"") for path in paths)
    with pytest.raises(LineageTreeError, match="twice"):
        candidate(lineage, 1, baseline, tree)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a.lock", "a b", "x" * 121, "a\n", "é"])
def test_names_that_are_no_folder_are_refused(
    home: Home, lineage: Lineage, baseline: str, name: str
):
    with pytest.raises(LineageNameError):
        Lineage.open(home, name)
    with pytest.raises(LineageNameError):
        lineage.commit_candidate(name, baseline, TREE, "m", at=AT)


@pytest.mark.parametrize(
    "commit", ["HEAD", "refs/rsi/champion", "--all", "0" * 40, "abc", "f" * 41]
)
def test_commits_that_are_not_there_are_refused(lineage: Lineage, baseline: str, commit: str):
    for act in (
        lineage.tree,
        lineage.commit,
        lineage.history,
        lambda c: lineage.diff(baseline, c),
        lambda c: lineage.move_champion(baseline, c, "x"),
        lambda c: candidate(lineage, 9, c),
    ):
        with pytest.raises(UnknownCommitError):
            act(commit)
    tree_id = lineage.git_dir.output(["rev-parse", f"{baseline}^{{tree}}"]).decode().strip()
    with pytest.raises(UnknownCommitError):
        lineage.commit(tree_id)


def test_an_empty_lineage_says_what_to_do(lineage: Lineage, home: Home):
    with pytest.raises(UnknownCommitError, match="import the task's baseline first"):
        lineage.champion()
    with pytest.raises(LineageError, match="no lineage 'other'"):
        Lineage.open(home, "other", create=False)


def test_a_damaged_repository_is_named(home: Home):
    (home.lineages / "bad.git").mkdir()
    with pytest.raises(LineageError, match="no git repository"):
        Lineage.open(home, "bad")


def test_a_variable_that_sends_git_elsewhere_does_not_or_is_named(
    lineage: Lineage, baseline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path))
    assert lineage.tree(baseline) == TREE
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "missing"))
    with pytest.raises(LineageError, match="unset GIT_OBJECT_DIRECTORY first"):
        lineage.tree(baseline)


def test_nothing_of_the_candidate_or_the_user_runs(
    lineage: Lineage, baseline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Hooks, filters, external diffs and text converters are all armed; none may fire."""
    trap = tmp_path / "trap.sh"
    fired = tmp_path / "fired"
    trap.write_text(f"#!/bin/sh\ntouch {fired}\ncat\n")
    trap.chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f'[diff]\n external = {trap}\n[diff "x"]\n textconv = {trap}\n command = {trap}\n'
        f'[filter "x"]\n clean = {trap}\n smudge = {trap}\n process = {trap}\n'
        f"[core]\n fsmonitor = {trap}\n hooksPath = {tmp_path}\n pager = {trap}\n"
        f"[commit]\n gpgSign = true\n[gpg]\n program = {trap}\n"
    )
    for hook in ("reference-transaction", "post-update", "pre-commit", "post-index-change"):
        for folder in (tmp_path, lineage.git_dir.path / "hooks"):
            folder.mkdir(exist_ok=True)
            (folder / hook).write_bytes(trap.read_bytes())
            (folder / hook).chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "diff.external")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(trap))
    tree = (*FASTER, FileEntry(path=".gitattributes", content=b"* filter=x diff=x export-ignore\n"))
    commit = candidate(lineage, 1, baseline, tree)
    lineage.move_champion(baseline, commit, "won")
    assert "+x = 2" in lineage.diff(baseline, commit)
    assert lineage.tree(commit) == tuple(sorted(tree, key=lambda entry: entry.path))
    assert not fired.exists()
    (trap.parent / "proof").mkdir()
    subprocess.run([str(trap)], input=b"", check=True)
    assert fired.exists(), "the trap works"


NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda raw: (
        b"/" not in raw and b"\0" not in raw and raw not in {b".", b".."} and raw.lower() != b".git"
    )
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: os.fsdecode(b"/".join(parts)))
ENTRIES = st.builds(
    FileEntry, path=PATHS, content=st.binary(max_size=200), is_executable=st.booleans()
)


def _is_tree(entries: list[FileEntry]) -> bool:
    paths = [entry.path for entry in entries]
    folders = {p[:i] for p in paths for i, char in enumerate(p) if char == "/"}
    return len(set(paths)) == len(paths) and not folders & set(paths)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ENTRIES, max_size=6).filter(_is_tree))
def test_any_tree_of_any_bytes_reads_back_equal(lineage: Lineage, entries: list[FileEntry]):
    if not lineage.git_dir.run(["rev-parse", "--verify", "-q", "refs/rsi/baseline"]).stdout:
        lineage.import_baseline(TREE, "Baseline")
    number = len(kept(lineage))
    commit = candidate(lineage, number, lineage.baseline(), tuple(entries))
    assert lineage.tree(commit) == tuple(sorted(entries, key=lambda entry: entry.path))
    lineage.diff(lineage.baseline(), commit)
    assert len(lineage.diff_stat(lineage.baseline(), commit)) >= len(entries) - 2


def test_odd_messages_become_plain_text(lineage: Lineage, baseline: str):
    commit = lineage.commit_candidate(
        "c1-0001", baseline, FASTER, "\0\x1b[31mred\ud800\r\n\n\n\tend ", at=AT
    )
    mark = "\N{REPLACEMENT CHARACTER}"
    assert lineage.commit(commit).message == f"{mark}{mark}[31mred{mark}{mark}\n\n\n\tend"
    empty = lineage.commit_candidate("c1-0002", baseline, FASTER, " \n", at=AT)
    assert lineage.commit(empty).title == "(no message)"
    with pytest.raises(LineageNameError, match="Name <address>"):
        lineage.commit_candidate("c1-0003", baseline, FASTER, "m", at=AT, author="x\n<y>")


def test_objects_are_whole(lineage: Lineage, baseline: str):
    for number in range(3):
        candidate(lineage, number, baseline, (replace(TREE[0], content=bytes([number])),))
    assert lineage.git_dir.output(["fsck", "--strict", "--no-progress", "--no-dangling"]) == b""
