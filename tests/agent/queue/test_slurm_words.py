"""What is asked of Slurm, and what is said where there is none; real jobs are in `tests/round/test_slurm.py`."""

import sys

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.queue.slurm import SlurmJobs


def jobs(minutes):
    return SlurmJobs(count=1, partition=None, gpus=0, cpus=1, minutes=minutes, labels=())


@pytest.mark.parametrize(
    ("minutes", "signal"), [(240, "USR2@300"), (20, "USR2@300"), (2, "USR2@30")]
)
def test_a_job_is_told_before_its_time_is_up(minutes, signal):
    assert jobs(minutes).signal == signal


def test_where_there_is_no_slurm_one_sentence_says_so(home, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["workers", "up", "--slurm"]) == 5
    assert "there is no sbatch and srun here; run this on a login node" in capsys.readouterr().err


def test_without_submitit_it_says_what_to_install(home, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert main(["workers", "up", "--slurm"]) == 5
    assert "pip install 'rsi-lab[slurm]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--time", "4"], "'4' is no time; give such as 90m, 4h or 2d"),
        (["--time", "0h"], "is no time"),
        (["--count", "0"], "is no whole number from 1"),
        (["--gpus", "-1"], "is no whole number from 1"),
        (["--time", ""], "is no time"),
    ],
)
def test_words_that_mean_nothing_are_refused(home, words, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["workers", "up", "--slurm", *words])
    assert said in capsys.readouterr().err


def test_how_they_are_started_has_to_be_said(home, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["workers", "up"])
    assert "--slurm" in capsys.readouterr().err


def test_submitit_is_imported_by_nobody_else(ledger, monkeypatch, capsys):
    for name in [each for each in sys.modules if each.partition(".")[0] == "submitit"]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["workers"]) == 0
    assert "submitit" not in sys.modules
