"""A measurement can be repeated by hand, with nothing but what `rsi task instance` writes and says."""

import json
import os
import subprocess
import sys

import pytest

from rsi.tasks.format.loader import load_task

pytestmark = pytest.mark.slow


def rsi(*words, home):
    return subprocess.run(
        [sys.executable, "-P", "-m", "rsi.agent.cli", *words],
        env=os.environ | {"RSI_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_baseline_runs_by_hand_on_what_was_written(tmp_path):
    folder = tmp_path / "by-hand"
    words = ("task", "instance", "toy", "--sandbox", "process", "--out", str(folder), "--json")
    said = rsi(*words, home=tmp_path / "home")
    assert said.returncode == 0, said.stderr
    facts = json.loads(said.stdout)
    task = load_task("toy")
    ran = subprocess.run(
        ["sh", "-c", f". {folder}/env.sh; {facts['python']} -P run.py"],
        cwd=task.repo,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert list((folder / "out").iterdir())

    again = rsi(*words, home=tmp_path / "home")
    assert again.returncode == 6
    assert "not an empty folder" in again.stderr
