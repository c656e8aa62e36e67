"""A campaign goes on only on the class of machines that it was begun on; `rsi workers` shows who is on what."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.agent.run import scripted

from rsi.agent.cli.entry import main
from rsi.agent.errors import CampaignLostError
from rsi.agent.queue.liveness import this_worker
from rsi.agent.queue.standstill import standstills
from rsi.agent.queue.worker import Housekeeping
from rsi.evals.types import Purpose
from rsi.sandboxes.machine.hardware import find_hardware

HERE = find_hardware()
ELSEWHERE = replace(HERE, cpu="Another CPU", cores=HERE.cores + 2)


class Engine:
    """An engine that says which executor has begun what, and hears what is given back."""

    def __init__(self, begun):
        self.begun, self.adopted = begun, []

    def unfinished(self, executor_ids):
        return tuple(each for each in self.begun if each[1] in executor_ids)

    def adopt(self, campaign_id):
        self.adopted.append(campaign_id)

    def is_run_by(self, campaign_id, executor_id):
        return True

    def under_way(self):
        return frozenset(campaign_id for campaign_id, _ in self.begun)


@pytest.fixture
def campaign_id(ledger, tmp_path):
    return scripted.begun(ledger, tmp_path / "script.toml")


@pytest.fixture
def died(ledger, campaign_id):
    """A worker on another machine that held the campaign and was silent for too long."""

    def go(hardware):
        record = replace(
            this_worker(ledger.now()), id="other-1", host="other", boot_id="elsewhere", hardware=hardware
        )  # fmt: skip
        ledger.heartbeat(record, at=ledger.now() - timedelta(seconds=90))
        ledger.take_campaign(campaign_id, record.id, after_epoch=0)
        return record

    return go


def test_a_class_is_what_programs_are_written_for():
    assert HERE.class_id == find_hardware().class_id
    for updated in (replace(HERE, kernel="Linux 99"), replace(HERE, driver="999")):
        assert updated.class_id == HERE.class_id, "an update strands no campaign"
    others = {
        replace(HERE, **change).class_id
        for change in (
            {"cpu": "x"},
            {"flags": (*HERE.flags, "avx1024")},
            {"cores": HERE.cores + 1},
            {"memory_gib": HERE.memory_gib + 1},
            {"gpus": (*HERE.gpus, "H200")},
        )
    }
    assert len(others) == 5
    assert HERE.class_id not in others


@pytest.mark.parametrize(
    ("hardware", "is_adopted"), [(HERE, True), (ELSEWHERE, False), (None, True)]
)
def test_what_a_dead_worker_left_is_adopted_on_its_class_alone(
    ledger, campaign_id, died, hardware, is_adopted
):
    dead = died(hardware)
    engine = Engine([(campaign_id, dead.id)])
    keeper = Housekeeping(ledger, engine, exit_when_idle=False)
    keeper.beat()
    keeper.adopt()
    assert engine.adopted == ([campaign_id] if is_adopted else [])
    assert ledger.holder(campaign_id).worker_id == (keeper.worker.id if is_adopted else dead.id)
    assert ledger.machine_class(campaign_id) == (
        ELSEWHERE.class_id if hardware is ELSEWHERE else HERE.class_id
    )
    # Where the engine hands it out all the same, it is not run, and nobody else's word is taken away.
    if not is_adopted:
        with pytest.raises(CampaignLostError, match="another class"), keeper.holding(campaign_id):
            raise AssertionError("it was run")
        assert ledger.holder(campaign_id).worker_id == dead.id
        (still,) = standstills(ledger, ledger.campaigns()).values()
        assert f"class {ELSEWHERE.class_id}, and no worker on such a one" in still.reason


def test_as_soon_as_one_of_its_class_is_there_it_is_only_a_matter_of_time(
    ledger, campaign_id, died
):
    died(ELSEWHERE)
    ledger.heartbeat(this_worker(ledger.now()))
    ledger.heartbeat(
        replace(this_worker(ledger.now()), id="o-2", boot_id="elsewhere", hardware=ELSEWHERE)
    )
    (still,) = standstills(ledger, ledger.campaigns()).values()
    assert "another takes it up within a minute" in still.reason


def test_workers_are_listed_with_their_machine_and_what_they_do(ledger, campaign_id, died, capsys):
    assert main(["workers"]) == 0
    assert capsys.readouterr().out.strip() == "no worker is running; `rsi worker` starts one"
    died(ELSEWHERE)
    ledger.heartbeat(this_worker(ledger.now()))
    assert main(["workers"]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    by_state = {line.split()[2]: line for line in rows}
    assert f"class {HERE.class_id}" in by_state["alive"]
    assert "waits for campaigns" in by_state["alive"]
    assert "Another CPU" in by_state["gone"]
    assert f"{campaign_id}: environment and lineage, since" in by_state["gone"]
    assert main(["workers", "--json"]) == 0
    told = {each["state"]: each for each in json.loads(capsys.readouterr().out)}
    assert told["gone"]["worker"]["hardware"]["cpu"] == "Another CPU"


def test_a_worker_of_an_older_version_is_listed_too(ledger, capsys):
    ledger.heartbeat(replace(this_worker(ledger.now()), hardware=None))
    assert main(["workers"]) == 0
    assert "not told" in capsys.readouterr().out


@pytest.mark.parametrize(("hardware", "is_taken"), [(HERE, True), (ELSEWHERE, False)])
def test_an_audit_of_another_class_is_not_taken_for_ones_own(
    home, ledger, tmp_path, hardware, is_taken
):
    def run_on(hardware, patch):
        campaign_id = scripted.queue(ledger, tmp_path / "script.toml", [scripted.idea(patch)])
        worker = replace(this_worker(ledger.now()), hardware=hardware)
        ledger.heartbeat(worker)
        ledger.take_campaign(campaign_id, worker.id, after_epoch=0)
        scripted.run(home, ledger, campaign_id)
        (record,) = ledger.rounds(campaign_id)
        return ledger.measurements(record.id, Purpose.AUDIT)

    assert run_on(HERE, "02_row_sums_once")
    assert bool(run_on(hardware, "01_null")) is not is_taken
