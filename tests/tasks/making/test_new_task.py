"""A stranger's repo becomes a task: what is copied, what is found out, what is refused, and that it runs at once."""

import json
import os
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.agent.llm.scripted.script import load_script
from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import Backend
from rsi.tasks.choices import Clock, Direction
from rsi.tasks.errors import (
    NewTaskError,
    RepoUnreachableError,
    TaskFormatError,
    TaskNotFoundError,
)
from rsi.tasks.files.git_reading import is_url, without_credentials
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task, profile_of
from rsi.tasks.making.new_task import NewTask, create_task, default_parent
from rsi.tasks.making.wanted import Wanted
from rsi.tasks.running.check import check_task, patched_tree
from rsi.tasks.running.runner import grade, make_instance, run_candidate
from rsi.tasks.types import Origin

TRAIN = """\
import json
import os

from src.model import fit

text = open("data/text.txt").read()
json.dump({"val_loss": fit(text), "letters": len(text)}, open("metrics.json", "w"))
"""
MODEL = '''\
"""Fit nothing much."""

from __future__ import annotations


def fit(text):
    return sum(ord(letter) for letter in text) % 7 / 10
'''
FILES = {
    "train.py": TRAIN,
    "src/__init__.py": "",
    "src/model.py": MODEL,
    "src/loss.py": "# A file that nothing imports.\n",
    "data/text.txt": "abcabc\n",
    "README.md": "A tiny trainer.\n",
}
UNIT_TEST = """\
import unittest

from src.model import fit


class TestFit(unittest.TestCase):
    def test_nothing_fits_nothing(self):
        self.assertEqual(fit(""), 0)
"""
WANTED = Wanted(
    name="mine",
    repo="",
    entry=("python", "train.py"),
    editable=("src/**",),
    clock=Clock.CPU_S,
    quality="val_loss",
    limit=0.7,
)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"},
    )
    return done.stdout.strip()


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "as it is")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    write(folder, FILES)
    git(folder, "init", "-q")
    commit(folder)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "tasks"


@pytest.fixture
def create(repo: Path, place: Path) -> Callable[..., NewTask]:
    def made(**changes: object) -> NewTask:
        return create_task(replace(WANTED, **({"repo": str(repo)} | changes)), place)

    return made


@pytest.fixture(scope="module")
def backend() -> Backend:
    strongest = BubblewrapBackend()
    return strongest if strongest.availability().is_available else ProcessBackend()


def paths_of(made: NewTask) -> set[str]:
    return {entry.path for entry in read_tree(made.task.repo)}


# What is copied.


def test_a_checkout_gives_its_committed_files_and_their_commit(create, repo):
    (repo / "untracked.py").write_text("x = 1\n", encoding="utf-8")
    made = create()
    assert paths_of(made) == {*FILES, "rsi_entry/run.py"}
    assert made.files == len(FILES)
    head = git(repo, "rev-parse", "HEAD")
    assert made.task.origin == Origin(url=None, commit=head)
    assert made.task.candidate.entry == ("python", "rsi_entry/run.py", "python", "train.py")
    assert made.task.candidate.editable == ("src/**",)
    assert set(made.task.candidate.protected) == {
        "rsi_entry/run.py", "train.py", "README.md", "data/**",
    }  # fmt: skip
    assert made.artifact == "metrics.json"


def test_what_is_not_committed_is_said_and_not_taken(create, repo):
    (repo / "src/model.py").write_text("def fit(text):\n    return 0.5\n", encoding="utf-8")
    made = create()
    assert (made.task.repo / "src/model.py").read_text(encoding="utf-8") == MODEL
    assert any("commit first" in note and "src/model.py" in note for note in made.notes)


def test_a_remote_is_named_without_its_password(create, repo):
    git(repo, "remote", "add", "origin", "https://me:token@host.example/a/b.git")
    assert create().task.origin.url == "https://host.example/a/b.git"


def test_a_url_is_cloned_at_the_commit(create, repo):
    first = git(repo, "rev-parse", "HEAD")
    (repo / "train.py").write_text("raise SystemExit\n", encoding="utf-8")
    commit(repo)
    made = create(repo=f"file://{repo}", commit=first[:9])
    assert made.task.origin == Origin(url=f"file://{repo}", commit=first)
    assert (made.task.repo / "train.py").read_text(encoding="utf-8") == TRAIN


def test_a_folder_of_a_checkout_is_taken_alone(create, repo):
    made = create(
        repo=str(repo / "src"), entry=("python", "model.py"), editable=("*.py",), artifact="x.json"
    )
    assert paths_of(made) == {"__init__.py", "model.py", "loss.py", "rsi_entry/run.py"}
    assert made.task.origin.folder == "src"


@pytest.mark.parametrize("is_url_given", [False, True])
def test_nothing_of_the_other_side_is_run(create, repo, tmp_path, is_url_given):
    marker = tmp_path / "ran"
    program = repo / "attack.sh"
    program.write_text(f"#!/bin/sh\ntouch {marker}\ncat\n", encoding="utf-8")
    program.chmod(0o755)
    (repo / ".gitattributes").write_text("*.py filter=x diff=x\n", encoding="utf-8")
    commit(repo)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        target = repo / ".git/hooks" / hook
        target.write_text(f"#!/bin/sh\ntouch {marker}\n", encoding="utf-8")
        target.chmod(0o755)
    for key in (
        "filter.x.smudge",
        "filter.x.clean",
        "core.fsmonitor",
        "core.pager",
        "diff.external",
    ):
        git(repo, "config", key, str(program))
    marker.unlink(missing_ok=True)
    made = create(repo=f"file://{repo}" if is_url_given else str(repo))
    assert not marker.exists()
    assert ".gitattributes" not in paths_of(made)
    assert (made.task.repo / "train.py").read_text(encoding="utf-8") == TRAIN


def test_a_plain_folder_is_taken_whole_but_for_caches(create, tmp_path):
    folder = tmp_path / "plain"
    write(
        folder, FILES | {"src/__pycache__/model.pyc": "x", ".venv/bin/x": "x", "a.egg-info/x": "x"}
    )
    made = create(repo=str(folder))
    assert paths_of(made) == {*FILES, "rsi_entry/run.py"}
    assert made.task.origin is None
    assert any("no git checkout" in note for note in made.notes)


@pytest.mark.parametrize("is_tracked", [True, False])
def test_a_link_within_the_repo_becomes_a_file_and_one_out_of_it_is_refused(
    create, repo, tmp_path, is_tracked, place
):
    folder = repo
    if not is_tracked:
        folder = tmp_path / "plain"
        write(folder, FILES)
    (folder / "again.py").symlink_to("train.py")
    if is_tracked:
        commit(folder)
    made = create(repo=str(folder))
    assert (made.task.repo / "again.py").read_text(encoding="utf-8") == TRAIN
    assert not (made.task.repo / "again.py").is_symlink()
    (folder / "linked").symlink_to("data")
    if is_tracked:
        commit(folder)
    made = create(name="linked", repo=str(folder))
    assert (made.task.repo / "linked" / "text.txt").read_text(encoding="utf-8") == "abcabc\n"
    for goal in ("/etc/passwd", "../elsewhere", "nowhere"):
        (folder / "odd").unlink(missing_ok=True)
        (folder / "odd").symlink_to(goal)
        if is_tracked:
            commit(folder)
        with pytest.raises(NewTaskError, match="'odd' links to"):
            create(name="other", repo=str(folder))
    assert create(name="other", repo=str(folder), exclude=("odd",)).files == len(FILES) + 2


# What is found out.


def test_a_glob_that_names_the_entry_or_a_protected_file_is_taken_apart(create):
    assert create(editable=("**",)).task.candidate.editable == (
        "README.md", "train.py", "data/**", "src/**",
    )  # fmt: skip
    made = create(name="other", editable=("src/**",), protected=("src/loss.py",))
    assert made.task.candidate.editable == ("src/__init__.py", "src/model.py")
    assert any("editable became" in note for note in made.notes)


@pytest.mark.parametrize(
    ("train", "entry", "found"),
    [
        ('open("out/metrics.json", "w")', "python train.py", "out/metrics.json"),
        ('open(f"{folder}/metrics.json", "w")', "python train.py", "metrics.json"),
        ("x = 1", "python train.py --save model.json", "model.json"),
        ('np.savez("a.npz"); open("m.json", "w")', "python train.py", "m.json"),
    ],
)
def test_the_artifact_is_found_in_the_source(create, repo, train, entry, found):
    (repo / "train.py").write_text(train + "\n", encoding="utf-8")
    commit(repo)
    assert create(entry=tuple(entry.split())).artifact == found


@pytest.mark.parametrize(
    ("files", "name", "pinned", "told"),
    [
        ({}, "rsi-python", 0, ""),
        ({"train.py": "import numpy as np\n" + TRAIN}, "rsi-numpy", 1, ""),
        ({"src/model.py": "import torch.nn\n"}, "rsi-torch", 2, ""),
        ({"requirements.txt": "tiktoken==0.9.0\nrequests>=2\n"}, "rsi-mine", 1, "requests>=2"),
        ({"requirements.txt": "numpy==1.26.4\n"}, "rsi-mine", 1, ""),
        ({"train.py": "import einops\n" + TRAIN}, "rsi-python", 0, "need einops"),
        ({"train.py": "try:\n    import wandb\nexcept ImportError:\n    pass\n" + TRAIN}, "rsi-python", 0, ""),
    ],
)  # fmt: skip
def test_what_has_to_be_installed_is_found(create, repo, files, name, pinned, told):
    write(repo, files)
    commit(repo)
    made = create()
    assert made.task.environment.name == name
    assert len(made.task.environment.requirements) == pinned
    assert (told in " ".join(made.notes)) if told else ("environment/" not in " ".join(made.notes))


def test_a_repo_that_knows_the_contract_is_started_as_it_is(create, repo):
    native = 'import os\nopen(os.environ["RSI_IO"] + "/out/m.json", "w").write("[1]")\n'
    (repo / "train.py").write_text(native, encoding="utf-8")
    commit(repo)
    made = create(quality=None, limit=None)
    assert made.task.candidate.entry == ("python", "train.py")
    assert made.artifact == "m.json"
    assert "rsi_entry/run.py" not in paths_of(made)
    assert [cheat.name for cheat in made.task.cheats] == ["01_shadows_the_grader"]


def test_a_new_task_claims_nothing_and_its_script_proposes_the_null_patch(create):
    made = create(margin=0.05, direction=Direction.LOWER, unit="nats", wall_s=60, memory_mb=512)
    profile = profile_of(made.task)
    assert profile.claim == "none"
    assert profile.limits.wall_s == 60
    assert profile.limits.memory_bytes == 512 << 20
    [rule] = profile.quality
    assert (rule.name, rule.unit, rule.limit, rule.margin) == ("val_loss", "nats", 0.7, 0.05)
    assert [each.name for each in made.task.solutions] == ["01_null"]
    assert len(load_script("", made.task).rounds) == 1
    assert [each.name for each in made.task.cheats] == [
        "01_shadows_the_grader", "02_skips_the_run", "03_writes_its_own_result",
    ]  # fmt: skip


def test_odd_words_come_through_as_they_are(create, repo):
    odd = 'quo"te \\ # x.py'
    (repo / odd).write_text(TRAIN, encoding="utf-8")
    commit(repo)
    made = create(entry=("python", odd), artifact='out/o"d\\d.json')
    assert made.task.candidate.entry[-1] == odd
    assert '"o\\"d\\\\d.json"' in (made.task.harness / "quality.py").read_text(encoding="utf-8")
    compile((made.task.harness / "quality.py").read_text(encoding="utf-8"), "quality.py", "exec")


def test_the_repos_own_tests_are_asked_and_protected(create, repo):
    write(repo, {"src/test_model.py": "import src.model\n", "tests/run.py": "import src.model\n"})
    commit(repo)
    assert any("the repo has tests (src/test_model.py)" in note for note in create().notes)
    made = create(name="other", tests=("python", "-m", "pytest", "-q"))
    assert made.task.tests.entry == ("python", "-m", "pytest", "-q")
    assert "src/test_model.py" in made.task.candidate.protected
    assert "tests/**" in made.task.candidate.protected
    assert "src/test_model.py" not in made.task.candidate.editable
    assert any("need pytest" in note for note in made.notes)
    with pytest.raises(NewTaskError, match=r"--tests starts 'tests/ran\.py', which is not in"):
        create(name="third", tests=("python", "tests/ran.py"))


def test_options_of_the_script_are_not_the_interpreters(create):
    made = create(entry=("python", "train.py", "-m", "3", "-c", "x"))
    assert made.task.candidate.entry[2:] == ("python", "train.py", "-m", "3", "-c", "x")


# What is refused.


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "Mine"}, "'Mine' cannot name a task"),
        ({"name": "../x"}, "'../x' cannot name a task"),
        ({"name": "a__b"}, "cannot name a task"),
        ({"name": "toy"}, "there is a task 'toy' already"),
        ({"repo": "host.example/a/b"}, "is no git URL"),
        ({"repo": "ext::sh -c x"}, "no folder 'ext::sh -c x'"),
        ({"repo": "nosuch"}, "no folder 'nosuch'"),
        ({"commit": "nosuch"}, "has no commit, branch or tag 'nosuch'"),
        ({"commit": "--output=x"}, "is no commit, branch or tag"),
        ({"entry": ()}, "--entry is empty"),
        ({"entry": ("python", "tain.py")}, "'tain.py', which is not in the repo; at its top it has train.py"),
        ({"entry": ("python", "-c", "1")}, "names no script"),
        ({"entry": ("uv", "run", "train.py")}, "starts 'uv', which a sandbox need not have"),
        ({"editable": ()}, "nothing is editable"),
        ({"editable": ("source/**",)}, "--editable 'source/**' matches no file of the repo"),
        ({"protected": ("eval.py",)}, "--protected 'eval.py' matches no file of the repo"),
        ({"protected": ("src/**",)}, "--protected names all that --editable names"),
        ({"limit": None}, "how much worse than the champion may 'val_loss' be?"),
        ({"limit": 0.0}, "how much worse than the champion may 'val_loss' be?"),
        ({"limit": float("nan")}, "--limit is nan"),
        ({"memory_mb": 0}, "--memory-mb is 0"),
        ({"quality": None}, "--limit and --margin are of a quality"),
        ({"margin": -1.0}, "--margin is -1"),
        ({"wall_s": 0.0}, "--wall-s is 0"),
        ({"artifact": "../x.json"}, "is no file in the repo's folder"),
        ({"environment": "Rsi Torch"}, "cannot name an environment"),
        ({"device": "cuda"}, "--metric cpu_s does not go with --device cuda"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_leaves_nothing(create, place, changes, sentence):
    with pytest.raises((NewTaskError, TaskNotFoundError)) as caught:
        create(**changes)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not place.exists()


def test_an_existing_folder_is_never_written_over(create, place):
    (place / "mine").mkdir(parents=True)
    (place / "mine" / "kept").write_text("mine", encoding="utf-8")
    with pytest.raises(NewTaskError, match="is there already"):
        create()
    assert [path.name for path in place.rglob("*")] == ["mine", "kept"]


def test_a_task_inside_the_repo_that_it_copies_is_said(repo):
    made = create_task(replace(WANTED, repo=str(repo)), repo)
    assert any("inside the repo" in note for note in made.notes)
    assert paths_of(made) == {*FILES, "rsi_entry/run.py"}


def test_a_place_that_cannot_be_written_is_named(repo, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NewTaskError, match="cannot be written"):
        create_task(replace(WANTED, repo=str(repo)), tmp_path / "file" / "tasks")


@pytest.mark.parametrize(
    ("path", "content", "sentence"),
    [
        ("src/table.bin", b"\0\1", "names binary files, which no patch can change: src/table.bin"),
        ("caf\u00e9.py", b"x", "other than ASCII"),
        ("Train.py", b"x", "differ only in case"),
        ("rsi_entry/run.py", b"x", "which a task adds itself"),
        ("big.bin", bytes(17 << 20), "more than the 16 MiB and 1500 files"),
        ("model.bin", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    ],
)
def test_a_repo_that_no_task_can_hold_is_refused_by_its_file(
    create, repo, place, path, content, sentence
):
    (repo / path).parent.mkdir(exist_ok=True)
    (repo / path).write_bytes(content)
    commit(repo)
    with pytest.raises(NewTaskError, match=sentence):
        create()
    assert not place.exists()


def test_a_submodule_is_refused(create, repo):
    head = git(repo, "rev-parse", "HEAD")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{head},vendored")
    git(repo, "commit", "-qm", "a submodule")
    with pytest.raises(NewTaskError, match="'vendored' is a submodule"):
        create()


def test_an_artifact_that_cannot_be_told_is_asked_for(create, repo):
    (repo / "train.py").write_text("open('a.json'); open('b.json')\n", encoding="utf-8")
    commit(repo)
    with pytest.raises(NewTaskError, match=r"may leave a\.json, b\.json; say with --artifact"):
        create()
    (repo / "train.py").write_text("print('val_loss 0.5')\n", encoding="utf-8")
    commit(repo)
    with pytest.raises(NewTaskError, match="what is printed is no evidence"):
        create()


def test_a_script_that_is_not_committed_is_said(create, repo):
    (repo / "new.py").write_text(TRAIN, encoding="utf-8")
    with pytest.raises(NewTaskError, match=r"'new\.py' is not in commit .*; commit it first"):
        create(entry=("python", "new.py"))


def test_a_repository_that_is_not_there_is_unreachable_and_its_token_is_not_shown(create, tmp_path):
    with pytest.raises(RepoUnreachableError, match="could not be fetched"):
        create(repo=f"file://{tmp_path}/nowhere")
    with pytest.raises(RepoUnreachableError) as caught:
        create(repo="http://me:token@localhost:1/a.git")
    assert "token" not in str(caught.value)


def test_urls_are_told_from_paths():
    for url in ("https://h.example/a", "git@h.example:a/b.git", "ssh://h/a", "file:///a"):
        assert is_url(url)
    for path in ("a/b", "./a", "C:/a", "ext::sh", "foo://a", "https://"):
        assert not is_url(path)
    assert without_credentials("https://u:p@h.example/a?x=1") == "https://h.example/a"


def test_the_place_is_the_first_of_the_variable_or_here(tmp_path):
    assert default_parent({}, tmp_path) == tmp_path
    assert default_parent({"RSI_TASKS": f"{os.pathsep}/a{os.pathsep}/b"}, tmp_path) == Path("/a")


def test_the_loader_checks_where_a_repo_is_from(create):
    root = create().task.root
    path = root / "task.toml"
    content = path.read_text(encoding="utf-8")
    full = tomllib.loads(content)["rsi"]["origin"]["commit"]
    path.write_text(content.replace(full, full[:12] + '"\nbranch = "main'), encoding="utf-8")
    with pytest.raises(TaskFormatError) as caught:
        load_task(root)
    assert any("rsi.origin.commit is" in each for each in caught.value.problems)
    assert any("rsi.origin.branch is not a known key" in each for each in caught.value.problems)


# That it runs at once.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "changes"),
    [
        (TRAIN, {}),
        (TRAIN, {"quality": None, "limit": None}),
        (TRAIN.replace("metrics.json", "runs/metrics.json").replace("import os", "import os; os.makedirs('runs')"), {}),
        (TRAIN.replace('"metrics.json"', '"runs/" + "metrics.json"').replace("import os", "import os; os.makedirs('runs')"), {}),
        (
            'import os, pathlib\n(pathlib.Path(os.environ["RSI_IO"]) / "out" / "m.bin").write_bytes(b"abc")\n',
            {"quality": None, "limit": None},
        ),
        (TRAIN, {"tests": ("python", "-m", "unittest", "-q", "tests.test_model")}),
    ],
    ids=["reported", "counted", "below", "looked for", "native", "tested"],
)  # fmt: skip
def test_a_new_task_is_usable_at_once(create, repo, backend, train, changes):
    write(repo, {"train.py": train, "tests/__init__.py": "", "tests/test_model.py": UNIT_TEST})
    commit(repo)
    made = create(**changes)
    report = check_task(made.task, None, backend)
    assert report.is_ok, [line for line in report.lines if not line.is_ok]
    assert {"baseline runs", "harness refuses_nothing", "solution 01_null applies"} <= {
        line.name for line in report.lines
    }


@pytest.mark.slow
def test_a_grader_that_is_to_be_written_says_so(create, backend):
    made = create(artifact="model.npz")
    report = check_task(made.task, None, backend)
    [broken] = [line for line in report.lines if line.name == "baseline runs"]
    assert not broken.is_ok
    assert "the run left no model.npz" in broken.detail
    quality = (made.task.harness / "quality.py").read_text(encoding="utf-8")
    assert "raise NotImplementedError" in quality


@pytest.mark.slow
def test_a_result_that_came_with_the_code_is_not_graded(create, repo, backend):
    write(repo, {"train.py": "x = 1\n", "metrics.json": json.dumps({"val_loss": 0.1})})
    commit(repo)
    made = create(artifact="metrics.json")
    report = check_task(made.task, None, backend)
    [broken] = [line for line in report.lines if not line.is_ok]
    assert "the run left no metrics.json" in broken.detail


@pytest.mark.slow
def test_a_number_of_the_runs_own_wins_until_the_grader_computes_it(create, backend):
    made = create()
    cheat = next(each for each in made.task.cheats if each.name == "03_writes_its_own_result")
    tree = patched_tree(made.task, cheat)
    grades = []
    for text in (None, "IS_RECOMPUTED = True"):
        if text is not None:
            path = made.task.harness / "quality.py"
            source = path.read_text(encoding="utf-8").replace("IS_RECOMPUTED = False", text)
            source = source.replace(
                "    report = read_json(",
                '    text = (Path(__file__).parents[1] / "repo/data/text.txt").read_text()\n'
                "    value = read_json(artifact, ARTIFACT, max_bytes=MAX_ARTIFACT_BYTES)[QUALITY]\n"
                "    if value != sum(map(ord, text)) % 7 / 10:\n"
                '        raise InvalidArtifact("not the loss of the text")\n'
                "    report = read_json(",
            )
            path.write_text(source, encoding="utf-8")
        task = load_task(made.task.root)
        profile = profile_of(task)
        instance = make_instance(task, profile, "dev", bytes(32), backend)
        for files in (read_tree(task.repo), tree):
            run = run_candidate(task, profile, files, instance, 1, backend, "test")
            assert run.output is not None, run.execution.stderr
            grades.append(grade(task, profile, instance, run.output, backend, "test"))
    honest, forged, still_honest, refused = grades
    assert [each.outcome for each in grades] == ["ok", "ok", "ok", "invalid_output"]
    assert forged.quality_values["val_loss"] == -1e6
    assert "nothing was recomputed" in honest.guards[0].evidence
    assert "computed by" in still_honest.guards[0].evidence
    assert refused.reason == "not the loss of the text"
