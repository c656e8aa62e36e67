"""What a trial takes of a folder: what git tracks as it lies there, what is named besides, and nothing that is held out."""

import pytest
from tests.tasks.making.test_new_task import commit, git, write

from rsi.sandboxes.types import ExecOutcome, ExecResult
from rsi.tasks.errors import NewTaskError
from rsi.tasks.making.own.gathering import gather
from rsi.tasks.making.own.observing import _observed, _split

NONE = {"exclude": (), "data": (), "hold_out": (), "commit": None}


@pytest.fixture
def repo(tmp_path):
    folder = tmp_path / "repo"
    write(folder, {"train.py": "x = 1\n", "names.txt": "a\nb\n", ".gitignore": "data/\n"})
    git(folder, "init", "-q")
    commit(folder)
    write(folder, {"data/big.bin": "1234", "train.py": "x = 2\n", "new.py": "y = 1\n"})
    return folder


def test_changes_are_part_of_it_and_what_git_does_not_know_is_said(repo):
    found = gather(repo, **NONE)
    assert {each.path: each.content for each in found.copy.tree} == {
        "train.py": b"x = 2\n", "names.txt": b"a\nb\n",
    }  # fmt: skip
    assert "changes that are not committed are part of it: train.py" in found.copy.notes
    assert any("git does not know new.py" in each for each in found.copy.notes)
    assert found.data == ()


def test_a_commit_leaves_the_working_tree_aside(repo):
    found = gather(repo, **(NONE | {"commit": "HEAD"}))
    assert {each.path: each.content for each in found.copy.tree}["train.py"] == b"x = 1\n"


def test_data_is_handed_out_and_what_is_held_out_is_nowhere(repo):
    found = gather(repo, **(NONE | {"data": ("data/",), "hold_out": ("50% of names.txt",)}))
    assert [each.path for each in found.data] == ["data/big.bin"]
    assert "names.txt" not in {each.path for each in (*found.copy.tree, *found.data)}
    assert found.held_out[0].content == b"a\nb\n"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": ("nowhere",)}, "--data 'nowhere' is not below"),
        ({"data": ("/etc",)}, "lies outside"),
        ({"data": ("train.py",)}, "holds nothing that git does not track"),
        ({"hold_out": ("val.bin",)}, "there is no file 'val.bin'"),
    ],
)
def test_a_path_that_is_not_there_is_one_sentence(repo, changes, sentence):
    with pytest.raises(NewTaskError, match=sentence):
        gather(repo, **(NONE | changes))


def test_odd_things_of_a_checkout_are_left_out_and_said(repo, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (repo / "linked").symlink_to(tmp_path / "elsewhere")
    write(repo, {"weights.bin": "version https://git-lfs.github.com/spec/v1\noid x\n"})
    git(repo, "add", "linked", "weights.bin")
    commit(repo)
    found = gather(repo, **NONE)
    assert not {"linked", "weights.bin"} & {each.path for each in found.copy.tree}
    assert any("linked links to" in each and "--data linked" in each for each in found.copy.notes)
    assert any("Git LFS pointer" in each for each in found.copy.notes)


def test_a_large_file_that_is_no_source_becomes_data(repo):
    (repo / "large.csv").write_bytes(b"x" * (17 << 20))
    (repo / "uv.lock").write_bytes(b"#" * 200_000)
    commit(repo)
    found = gather(repo, **NONE)
    assert [each.path for each in found.copy.tree] == [
        "names.txt", "new.py", "train.py", "uv.lock",
    ]  # fmt: skip
    assert [each.path for each in found.data] == ["large.csv"]
    assert any("handed to the runs as data" in each for each in found.copy.notes)


def test_code_that_lies_in_no_file_is_not_looked_for():
    assert _split(["/work/code/<frozen runpy>", "/work/code/a.txt", "<string>"]) == (["a.txt"], [])


def test_a_folder_that_the_run_makes_itself_is_not_missed():
    ended = ExecResult(
        outcome=ExecOutcome.OK, exit_code=0, stdout=b"", stderr=b"", is_truncated=False,
        wall_s=1.0, cpu_s=1.0, cpu_source="cgroup", max_rss_bytes=None,
    )  # fmt: skip
    notes = {"misses": ["/work/code/exps", "/work/code/data"]}
    seen = _observed(ended, {"exps/base/model.pt": "digest"}, {}, notes, {"train.py"})
    assert seen.missed == ("data",)
