"""A campaign that asks for a machine waits for such a one; nothing else takes it, and what comes behind it goes on."""

from dataclasses import replace

import pytest
from tests.agent.queue.conftest import taken

from rsi.agent.cli.entry import main
from rsi.agent.errors import CampaignLostError
from rsi.agent.policy.placing import fits, label_problem, wish_problem
from rsi.agent.queue.launching import ensure_worker
from rsi.agent.queue.liveness import this_worker
from rsi.agent.queue.requests import serve_queue_requests
from rsi.agent.queue.standstill import standstills
from rsi.agent.run.engine import queue_of
from rsi.agent.store.records import CampaignState
from rsi.sandboxes.machine.hardware import Hardware

BOX = Hardware(
    cpu="AMD EPYC 9654 96-Core Processor", flags=("avx2", "avx512f", "avx512_bf16"), cores=96, memory_gib=512,
    gpus=("NVIDIA H100 80GB HBM3",), driver="570", kernel="Linux 6",
)  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "is_met"),
    [
        ("gpu=h100", True), ("gpu=H100", True), ("gpu=nvidia-h100", True), ("gpu=nvidia", True),
        ("gpu=h10", False), ("gpu=a100", False), ("cpu=avx512", True), ("cpu=epyc", True),
        ("cpu=avx512_bf16", True), ("cpu=amx", False), ("cpu=xeon", False), ("label=lab", True),
        ("label=LAB", True), ("label=la", False), (f"class={BOX.class_id}", True), ("class=00000000", False),
    ],
)  # fmt: skip
def test_a_wish_is_held_against_what_the_machine_is(ledger, wish, is_met):
    record = replace(this_worker(ledger.now(), ["lab"]), hardware=BOX)
    assert not wish_problem([wish])
    assert fits(record, [wish]) is is_met
    assert fits(record, ["label=lab", wish]) is is_met
    assert not fits(record, ["label=none", wish])
    assert fits(replace(record, hardware=None), [wish]) is (is_met and "label" in wish)


@pytest.mark.parametrize("wish", ["h100", "gpu=", "gpus=h100", "=x", "gpu= ", "label=;"])
def test_a_wish_that_means_nothing_is_one_sentence(wish, home, capsys):
    assert repr(wish) in wish_problem([wish])
    assert main(["run", "toy", "--on", wish, "--detach"]) == 6
    said = capsys.readouterr().err
    assert repr(wish) in said
    assert "Traceback" not in said


@pytest.mark.parametrize("label", ["", "two words", "a=b", "x" * 64])
def test_a_label_that_cannot_be_asked_for_is_refused(label, home, capsys):
    assert label_problem([label])
    assert main(["worker", "--label", label]) == 6
    assert "give letters" in capsys.readouterr().err


def test_only_a_worker_that_fits_takes_it_and_what_comes_behind_goes_on(client, queue, worker):
    asks, any_machine = queue("label=lab"), queue()
    plain, lab = worker(), worker("lab")
    plain.take_waiting()
    assert taken(client, plain) == {any_machine}
    plain.take_waiting()
    assert taken(client, plain) == {any_machine}, "it is full"
    lab.take_waiting()
    assert taken(client, lab) == {asks}
    assert client.waiting() == ()


def test_who_has_room_for_two_takes_two_in_the_order_of_the_queue(client, queue, worker):
    first, second, urgent = queue(), queue(), queue()
    assert client.reorder(urgent, 5)
    keeper = worker(concurrency=2)
    keeper.take_waiting()
    assert taken(client, keeper) == {urgent, first}
    assert client.waiting() == (second,)
    assert not client.assign(first, "somebody else"), "it waits no more"


def test_what_was_given_and_not_begun_goes_back_when_its_worker_leaves_or_dies(
    ledger, client, queue, worker
):
    campaign_id, one, two = queue(), worker(), worker()
    one.take_waiting()
    client.leave(one.worker.id)
    assert client.waiting() == (campaign_id,)
    one.take_waiting()
    ledger.heartbeat(replace(one.worker, start_tick=1))  # its process is another one now
    two.adopt()
    assert client.waiting() == (campaign_id,)
    two.take_waiting()
    assert taken(client, two) == {campaign_id}
    assert queue_of(two.worker.id) != queue_of(one.worker.id)


def test_where_the_engine_hands_it_out_all_the_same_it_is_not_run(ledger, client, queue, worker):
    campaign_id, keeper = queue("label=lab"), worker()
    with pytest.raises(CampaignLostError), keeper.holding(campaign_id):
        raise AssertionError("it was run")
    assert ledger.holder(campaign_id).worker_id is None


def test_it_waits_with_the_reason_on_screen(ledger, queue, worker, capsys):
    campaign_id = queue("gpu=h100", "label=lab")
    worker()
    (still,) = standstills(ledger, ledger.campaigns()).values()
    assert "it asks for a machine with gpu=h100 and label=lab, and no worker" in still.reason
    assert main(["queue"]) == 0
    out = capsys.readouterr().out
    assert f"{campaign_id}: {still.reason}" in out
    assert "queued, no worker" in out
    ledger.heartbeat(replace(this_worker(ledger.now(), ["lab"]), id="b", hardware=BOX))
    assert not standstills(ledger, ledger.campaigns())
    assert main(["workers"]) == 0
    assert "labels lab" in capsys.readouterr().out


def test_no_worker_is_started_where_it_could_not_take_the_campaign(home, ledger):
    assert ensure_worker(home, ledger, ["label=lab"]) is None
    assert not ledger.workers()


def test_a_worker_that_ends_when_idle_does_not_stay_for_what_it_may_not_run(client, queue, worker):
    queue("label=lab")
    keeper = worker()
    keeper._exit_when_idle = True
    keeper._idle.at_s = 0.0
    assert not keeper.tick()


def test_what_the_ledger_does_not_know_ends_with_its_own_word(ledger, client, worker):
    client.queue("c1120-none")
    keeper = worker()
    keeper.take_waiting()
    assert taken(client, keeper) == {"c1120-none"}


def test_one_that_nobody_began_can_be_stopped_although_nobody_may_run_it(
    ledger, client, queue, worker, capsys
):
    campaign_id, other = queue("label=lab"), queue("label=lab")
    keeper = worker()
    assert main(["stop", campaign_id]) == 0
    assert keeper.tick()
    assert ledger.campaign_summary(campaign_id).state is CampaignState.STOPPED
    assert client.waiting() == (other,)
    assert client.under_way() == {other}
    assert not ledger.requests(unhandled_only=True)
    keeper.adopt()
    assert client.waiting() == (other,), "it is not queued again"
    assert main(["retry", campaign_id]) == 0
    assert keeper.tick()
    assert set(client.waiting()) == {campaign_id, other}, "a person may want it after all"


def test_a_stop_does_not_end_what_a_worker_has_taken_meanwhile(ledger, client, queue, worker):
    campaign_id, keeper = queue(), worker()
    keeper.take_waiting()
    assert main(["stop", campaign_id]) == 0
    serve_queue_requests(ledger, client, "another")
    assert ledger.campaign_summary(campaign_id).state is CampaignState.QUEUED, "its worker ends it"
    assert client.under_way() == {campaign_id}
