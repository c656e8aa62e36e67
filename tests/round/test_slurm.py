"""Workers as jobs, on a real one-node Slurm (`.ci/slurm start`); skipped with its reason where none answers."""

import json
import shutil
import subprocess
import time

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.queue.liveness import live_workers
from rsi.agent.store.records import CampaignState
from rsi.agent.store.round_book import RoundBook


def slurm_answers() -> bool:
    if shutil.which("sinfo") is None:
        return False
    told = subprocess.run(["sinfo", "-h"], capture_output=True, timeout=20, check=False)
    return told.returncode == 0 and bool(told.stdout.strip())


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not slurm_answers(), reason="no Slurm answers; `.ci/slurm start` makes one"),
]


@pytest.fixture
def up(home, capsys):
    """Submits workers; returns their ids, and ends them afterwards."""
    made = []

    def go(*words):
        assert main(["workers", "up", "--slurm", "--partition", "rsi", *words, "--json"]) == 0
        made.extend(found := json.loads(capsys.readouterr().out)["jobs"])
        return found

    yield go
    for each in made:
        subprocess.run(["scancel", "--quiet", each], check=False, timeout=30)


def is_over(job):
    told = subprocess.run(
        ["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"], capture_output=True, text=True, timeout=30, check=False
    )  # fmt: skip
    words = set(told.stdout.split())
    return not words & {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"}


def logs_of(home):
    return "\n".join(each.read_text() for each in (home.logs / "slurm").glob("*.err"))


def wait_until(holds, timeout_s, home):
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, logs_of(home)
        time.sleep(0.5)


def test_a_campaign_runs_to_its_report_in_a_job(home, ledger, queue, idea, up, tmp_path, capsys):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)], on=("label=cluster",))
    (job,) = up("--time", "10m", "--label", "cluster")
    wait_until(lambda: is_over(job), 60, home)
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED, logs_of(home)
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "promoted"
    assert main(["report", campaign_id, "--out", str(tmp_path / "report")]) == 0
    assert (tmp_path / "report/report.html").is_file()
    assert "step=measure" in logs_of(home), "its log says what it did"
    assert not live_workers(ledger), "it ends when nothing is left to do"


def test_a_job_that_is_told_that_its_time_is_up_hands_over(home, ledger, queue, idea, up):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)])
    (job,) = up("--time", "10m")

    def runs():
        rounds = ledger.rounds(campaign_id)
        return ledger.measurements(rounds[0].id) if rounds else ()

    wait_until(runs, 60, home)
    subprocess.run(["scancel", "--signal=USR2", job], check=True, timeout=30)
    wait_until(lambda: is_over(job), 60, home)
    before = runs()
    assert ledger.campaign_summary(campaign_id).state is CampaignState.PARKED, logs_of(home)
    assert not live_workers(ledger)
    (again,) = up("--time", "10m")
    wait_until(lambda: is_over(again), 60, home)
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED, logs_of(home)
    assert runs()[: len(before)] == before, "what was measured is kept"
    assert ledger.verify_chain().is_intact


@pytest.mark.exhaustive
def test_a_job_that_reaches_its_wall_time_hands_over_before_it_is_killed(
    home, ledger, queue, idea, up
):
    campaign_id = queue([idea("01_null", predicted=1.0)] * 30)
    (job,) = up("--time", "2m")
    wait_until(lambda: is_over(job), 150, home)
    state = subprocess.run(
        ["scontrol", "show", "job", job], capture_output=True, text=True, timeout=30, check=False
    )
    assert "JobState=COMPLETED" in state.stdout, "it ended by itself, before Slurm had to"
    assert ledger.campaign_summary(campaign_id).state is CampaignState.PARKED, logs_of(home)
    (again,) = up("--time", "10m")
    rounds = len(ledger.rounds(campaign_id))
    wait_until(lambda: len(ledger.rounds(campaign_id)) > rounds, 60, home)
    assert main(["stop", campaign_id]) == 0
    wait_until(lambda: is_over(again), 60, home)
    assert ledger.campaign_summary(campaign_id).state is CampaignState.STOPPED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--partition", "nowhere"], "invalid partition"),
        (["--gpus", "4"], "Slurm did not take the jobs"),
    ],
)
def test_what_slurm_refuses_is_one_sentence(home, capsys, words, said):
    assert main(["workers", "up", "--slurm", *words]) == 5
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
