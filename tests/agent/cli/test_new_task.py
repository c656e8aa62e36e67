"""`rsi task new` as a person types it: what it prints, where the folder goes, which code a mistake ends with."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

TRAIN = 'import json\njson.dump({"loss": 0.5, "steps": 3}, open("metrics.json", "w"))\n'


@pytest.fixture
def repo(tmp_path):
    folder = tmp_path / "nano"
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    return folder


@pytest.fixture
def rsi(tmp_path):
    here = tmp_path / "here"
    here.mkdir()

    def run(*words, **variables):
        return subprocess.run(
            [sys.executable, "-P", "-m", "rsi.agent.cli", *words],
            env=os.environ | {"RSI_HOME": str(tmp_path / "home")} | variables,
            cwd=here,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def words_for(repo, *more, name="speedy"):
    return (
        "task", "new", name, "--repo", str(repo), "--entry", "python train.py",
        "--editable", "*.py", *more,
    )  # fmt: skip


def test_a_task_is_made_here_shown_and_checked_with_the_words_that_it_prints(rsi, repo, tmp_path):
    made = rsi(*words_for(repo, "--quality", "loss", "--limit", "0.6"))
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    assert lines[0] == f"task speedy is in {tmp_path}/here/speedy"
    steps = [line.split("#")[0].split(maxsplit=1)[1].strip() for line in lines[-3:]]
    assert steps == [
        "rsi task check ./speedy",
        "$EDITOR ./speedy/harness/quality.py",
        "rsi run ./speedy --rounds 1",
    ]
    checked = rsi(*steps[0].split()[1:], "--sandbox", "process")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "usable" in checked.stdout


def test_a_task_below_the_variables_folder_is_named_by_its_name(rsi, repo, tmp_path):
    place = tmp_path / "mine"
    made = rsi(*words_for(repo, "--json"), RSI_TASKS=str(place))
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    assert facts["folder"] == f"{place}/speedy"
    assert facts["next"][0] == "rsi task check speedy"
    assert facts["artifact"] == "metrics.json"
    assert facts["environment"] == {"name": "rsi-python", "requirements": []}
    assert facts["origin"] is None
    listed = json.loads(rsi("task", "list", "--json", RSI_TASKS=str(place)).stdout)
    assert "speedy" in [each["name"] for each in listed]


def test_a_task_for_a_gpu_is_timed_by_wall_seconds(rsi, repo):
    made = rsi(*words_for(repo, "--device", "cuda"))
    assert made.returncode == 0, made.stderr
    shown = json.loads(rsi("task", "show", "./speedy", "--json").stdout)
    assert (shown["device"], shown["metric"]["clock"]) == ("cuda", "wall_s")
    refused = rsi(*words_for(repo, "--device", "cuda", "--metric", "cpu_s", name="other"))
    assert refused.returncode == 6
    assert "--metric cpu_s does not go with --device cuda" in refused.stderr


def test_the_commit_of_a_repo_is_shown(rsi, repo):
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x")):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *words], cwd=repo, check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repo, text=True).strip()
    made = rsi(*words_for(f"file://{repo}", "--out", "below/there"))
    assert made.returncode == 0, made.stderr
    shown = rsi("task", "show", "below/there/speedy")
    assert f"origin    file://{repo}, commit {head}" in shown.stdout
    assert json.loads(rsi("task", "show", "below/there/speedy", "--json").stdout)["origin"] == {
        "commit": head, "folder": None, "url": f"file://{repo}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (("--repo", "nosuch"), 3, "no folder 'nosuch'"),
        (("--repo", "file:///nowhere/x"), 5, "could not be fetched"),
        (("--entry", "python tain.py"), 6, "which is not in the repo"),
        (("--entry", "python 'x"), 6, "is no command: No closing quotation"),
        (("--commit", "main"), 6, "is no git checkout"),
        (("--metric", "tokens"), 2, "invalid choice: 'tokens'"),
        (("--out", "/proc/nowhere"), 6, "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_code_and_leaves_nothing(
    rsi, repo, tmp_path, change, code, sentence
):
    said = rsi(*words_for(repo), *change)
    assert said.returncode == code, said.stderr
    assert sentence in said.stderr
    assert "Traceback" not in said.stderr
    assert code == 2 or len(said.stderr.strip().splitlines()) == 1
    assert list((tmp_path / "here").iterdir()) == []


def test_a_name_that_is_taken_is_refused(rsi, repo):
    assert rsi(*words_for(repo)).returncode == 0
    again = rsi(*words_for(repo))
    assert again.returncode == 6
    assert "is there already" in again.stderr
