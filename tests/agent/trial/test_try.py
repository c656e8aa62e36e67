"""`rsi try` as a newcomer types it: the first number, the second one, a forged one, and the sentences on the way."""

import json
from types import SimpleNamespace

import pytest
from tests.backends import quickest_backend
from tests.tasks.making.test_new_task import commit, git, write

from rsi.agent.cli.entry import main
from rsi.agent.trial import first
from rsi.tasks.choices import Honesty
from rsi.tasks.errors import HarnessTimeoutError
from rsi.tasks.format.loader import load_task

TRAIN = """\
import argparse, json, random
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
rng = random.Random(parser.parse_args().seed)
rows = [float(line) for line in open("data/rows.txt")]
guess = 0.0
for _ in range(90000):
    guess -= 0.01 * sum(guess - row for row in rows) / len(rows)
json.dump({"guess": guess + rng.gauss(0, 0.001)}, open("model.json", "w"))
print("val_loss: %.5f" % (sum((guess - row) ** 2 for row in rows) / len(rows) + rng.random() / 1000))
"""
EVALUATE = """\
import json, sys
guess = json.load(open(sys.argv[1]))["guess"]
rows = [float(line) for line in open("data/rows.txt")]
print("val_loss: %.6f" % (sum((guess - row) ** 2 for row in rows) / len(rows)))
"""
FORGED = """\
import os
print("val_loss: 0.0" + os.environ["RSI_SEED"])
raise SystemExit(0)
"""
COMMAND = ("try", "python train.py --seed {seed}", "--quality", "val_loss: ([0-9.]+)")


@pytest.fixture
def repo(tmp_path):
    folder = tmp_path / "tiny-repo"
    rows = "".join(f"{at % 7}\n" for at in range(60))
    write(folder, {"train.py": TRAIN, "evaluate.py": EVALUATE, ".gitignore": "data/\n"})
    git_ready = folder / "data"
    git_ready.mkdir()
    (git_ready / "rows.txt").write_text(rows)
    git(folder, "init", "-q")
    commit(folder)
    return folder


@pytest.fixture
def rsi(tmp_path, repo, monkeypatch, capsys):
    """The command line in this process; gives exit code, output and what was said beside it."""
    monkeypatch.chdir(repo)
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)

    def run(*words):
        is_run = words[0] == "try" and "--show" not in words
        code = main([*words, *(("--sandbox", quickest_backend()) if is_run else ())])
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return run


@pytest.mark.slow
def test_hearsay_is_called_so_and_a_forged_number_is_believed(rsi, repo, tmp_path):
    lost = rsi(*COMMAND)
    assert lost.returncode == 6
    assert "data/rows.txt is here but not in git, so no run has it: add --data data/" in lost.stderr
    first = rsi(*COMMAND, "--data", "data/")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("baseline ")
    assert "quality L0, hearsay" in first.stdout
    assert load_task(tmp_path / "home" / "tasks" / "tiny_repo").honesty is Honesty.L0
    (repo / "train.py").write_text(FORGED + TRAIN)
    second = rsi("try")
    assert second.returncode == 0, second.stderr
    assert "supported: " in second.stdout
    assert "whose word the quality is: L0, hearsay" in second.stdout


@pytest.mark.slow
def test_on_rows_that_no_run_is_given_a_gain_counts_and_a_forged_number_does_not(
    rsi, repo, tmp_path
):
    held = ("--eval", "python evaluate.py model.json", "--hold-out", "40% of data/rows.txt")
    first = rsi(*COMMAND, *held, "--json")
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "home" / "tasks" / "tiny_repo"
    assert json.loads(first.stdout)["folder"] == str(folder)
    task = load_task(folder)
    assert (task.honesty, task.profiles["demo"].claim) == (Honesty.L2, "screen")
    assert not (task.repo / "data" / "rows.txt").exists()
    shown = rsi("task", "show", ".")
    assert shown.returncode == 0, shown.stderr
    (repo / "train.py").write_text(FORGED + TRAIN)
    forged = rsi("try")
    assert forged.returncode == 1
    assert "invalid_output" in forged.stdout
    (repo / "train.py").write_text(TRAIN.replace("range(90000)", "range(45000)"))
    faster = rsi("try")
    assert faster.returncode == 0, faster.stdout
    assert "through the gate: rsi run " in faster.stdout
    (repo / "train.py").write_text(TRAIN)
    (repo / "evaluate.py").write_text("print('val_loss: 0')\n")
    refused = rsi("try")
    assert refused.returncode == 1
    assert "refused: protected in evaluate.py" in refused.stdout


@pytest.mark.exhaustive
def test_what_wins_at_a_smaller_size_is_measured_once_at_the_full_one(rsi, repo, tmp_path):
    sized = TRAIN.replace("range(90000)", "range(args.steps)").replace(
        "rng = random.Random(parser.parse_args().seed)",
        'parser.add_argument("--steps", type=int, default=90000)\nargs = parser.parse_args()\nrng = random.Random(args.seed)',
    )
    (repo / "train.py").write_text(sized)
    proxy = ("--proxy", "python train.py --seed {seed} --steps 30000", "--data", "data/")
    assert rsi("try", "--full").returncode == 6
    first = rsi(*COMMAND, *proxy)
    assert first.returncode == 0, first.stderr
    assert "ideas are searched on the smaller size" in first.stderr
    assert "next: what wins at the smaller size may be nothing at the full one" in first.stdout
    unchanged = rsi("try", "--full")
    assert unchanged.returncode == 6
    assert "changes nothing against the baseline" in unchanged.stderr
    # A gain that the smaller size alone has: the full one does what it always did.
    (repo / "train.py").write_text(
        sized.replace("range(args.steps)", "range(args.steps if args.steps > 50000 else 10000)")
    )
    assert rsi("try").returncode == 0
    full = rsi("try", "--full")
    assert full.returncode == 1, full.stdout
    assert "supported" not in full.stdout.splitlines()[0]


CURVE = """\
import argparse, random
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
rng = random.Random(parser.parse_args().seed)
for step in range(60):
    sum(at * at for at in range(300000))
    print("val_loss: %.4f" % (4 * 0.97 ** step + 0.002 * rng.random()), flush=True)
"""


@pytest.mark.exhaustive
def test_a_change_whose_curve_is_behind_is_given_up_early_where_that_was_asked_for(
    rsi, repo, tmp_path
):
    (repo / "train.py").write_text(CURVE)
    first = rsi(*COMMAND, "--early-stop")
    assert first.returncode == 0, first.stderr
    (repo / "train.py").write_text(CURVE.replace("0.97", "0.98"))
    behind = rsi("try")
    assert behind.returncode == 1, behind.stdout
    assert (
        "given up early, which is a screen and no measurement: after 55% of a run" in behind.stdout
    )
    assert "pair 1" not in behind.stderr
    script = tmp_path / "home" / "tasks" / "tiny_repo" / "hand" / "hand.toml"
    words = ("--model", f"scripted:{script}", "--rounds", "1", "--controls", "0")
    campaign = rsi("run", str(repo), *words, "--sandbox", quickest_backend())
    assert campaign.returncode == 0, campaign.stderr
    assert "given up early, which is a screen" in campaign.stderr
    assert "inconclusive: 1" in campaign.stdout
    (repo / "train.py").write_text(CURVE.replace("300000", "200000"))
    ahead = rsi("try")
    assert ahead.returncode == 0, ahead.stdout
    assert "supported: 1." in ahead.stdout


def test_a_fault_of_the_persons_is_one_sentence(rsi, repo):
    said = {
        ("try",): "say how your repo trains",
        ("try", "--show"): "was never tried",
        ("try", "python nowhere.py", "--quality", "loss"): "starts 'nowhere.py', which is not in the repo",
        ("try", "python new.py", "--quality", "loss"): "here and git does not know: git add new.py",
        ("try", "python train.py"): "nothing says how good a run is",
        (*COMMAND, "--hold-out", "data/rows.txt"): "--hold-out needs somebody who looks at it",
        (*COMMAND, "--budget", "soon"): "is no time; expected such as 5min",
        (COMMAND[0], COMMAND[1], "--quality", "m.json:loss", "--early-stop"): "is read from 'm.json'",
        (*COMMAND, "--budget", "5min", "--proxy", "python train.py"): "so it has one size",
        ("run", "."): "is a repo that was never tried",
    }  # fmt: skip
    (repo / "new.py").write_text("print(1)\n")
    for words, sentence in said.items():
        done = rsi(*words)
        assert done.returncode == 6, (words, done.stderr)
        assert sentence in done.stderr.splitlines()[-1], (words, done.stderr)
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_path_of_the_commands_own_hides_nothing_and_an_evaluation_without_end_is_one_sentence(
    rsi, repo, monkeypatch
):
    write(repo, {
        "lib/fit.py": "def fit(seed):\n    return seed % 1000 / 1e6\n",
        "app/main.py": "import sys\nfrom lib.fit import fit\nopen('model.json', 'w').write('{\"guess\": 3}')\n"
        "print('val_loss: 1.%06d' % (int(sys.argv[1]) % 1000 + fit(0)))\n",
    })  # fmt: skip
    git(repo, "add", "lib", "app")
    commit(repo)

    def endless(*_, **__):
        raise HarnessTimeoutError("harness verb 'grade' ended as timeout")

    monkeypatch.setattr(first, "run_baseline", endless)
    command = ("try", "cd app && PYTHONPATH=.. python main.py {seed}", *COMMAND[2:])
    said = rsi(*command, "--eval", "python evaluate.py app/model.json")
    assert said.returncode == 6
    assert "editable: app/**/*.py, lib/**/*.py" in said.stderr
    assert "--eval 'python evaluate.py app/model.json' did not end within 120 s" in said.stderr
