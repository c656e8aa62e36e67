"""Planted controls start to fail in the middle of a campaign: autonomy is taken back before the next candidate is decided."""

import shutil
from pathlib import Path

import pytest

from rsi.agent.policy.controls import autonomy_standing
from rsi.agent.store.config import Autonomy
from rsi.agent.store.records import CampaignState, DecisionAction, RequestKind, Step, utc_now
from rsi.agent.store.round_book import RoundBook
from rsi.tasks.format.loader import load_task

WHOLE = """
[[round]]
patch = ["03_score_pairs_not_positions", "04_count_in_c"]
hypothesis = "count with the standard library"
predicted_ratio = 1.7
risk = "none"
"""
"""On top of the toy's first gain; large enough to be seen on a busy machine."""
LINEAGE = "turning"


@pytest.mark.exhaustive
def test_the_level_falls_within_a_round_when_controls_start_to_fail_and_what_is_in_flight_waits(
    ledger, queue, idea, start_worker, gate, until, tmp_path
):
    """The second cheat that is planted is in truth a gain, so an honest evaluator lets it reach the gate."""
    task = _toy_whose_second_cheat_is_not_caught(tmp_path)
    in_flight = queue([idea("08_pairs_in_c", predicted=3.0)], task=task, lineage=LINEAGE)

    def ask(kind):
        ledger.add_request(kind, actor="person:ada", at=utc_now(), campaign_id=in_flight)

    def is_measured():
        rounds = ledger.rounds(in_flight)
        return bool(rounds and ledger.measurements(rounds[0].id)) or None

    with start_worker(), start_worker():
        until(is_measured)
        ask(RequestKind.PAUSE)
        until(lambda: ledger.campaign_summary(in_flight).state is CampaignState.PAUSED or None)
        (paused,) = ledger.rounds(in_flight)
        assert ledger.step(paused.id, Step.SCORE, 0).outcome == "supported"
        assert ledger.step(paused.id, Step.REVIEW, 0) is None

        turning = queue(
            [idea("02_row_sums_once", predicted=2.5), WHOLE, WHOLE],
            task=task,
            lineage=LINEAGE,
            control_every=1,
        )
        case = gate.case(turning)
        rounds = {each.label: each for each in RoundBook(ledger).of_campaign(turning)}
        assert (rounds["1"].ended_as, rounds["1"].decided_by) == ("promoted", "policy:3")
        caught, missed = [
            each for each in rounds.values() if each.planted and each.planted.kind == "cheat"
        ]
        assert (caught.is_caught, missed.is_caught) == (True, False)
        assert case.round_id == rounds["2"].record.id, "the very next idea waits"
        assert any("09_is_let_through" in each for each in case.held_by)
        standing = autonomy_standing(
            ledger, ledger.campaign(turning), ledger.campaign(turning).config, load_task(task).profiles["smoke"],
        )  # fmt: skip
        assert (standing.asked, standing.in_force) == (Autonomy.POLICY, Autonomy.PERSON)

        ask(RequestKind.RESUME)
        waiting = gate.case(in_flight)
        assert any("09_is_let_through" in each for each in waiting.held_by)
        assert ledger.decisions(paused.id) == ()
        gate.say(waiting, DecisionAction.REJECT, "the champion has moved on")
        assert gate.say(case, DecisionAction.APPROVE, "seen and run by hand").is_override
        until(lambda: ledger.promotions(round_id=case.round_id) or None)
        ledger.add_request(RequestKind.STOP, actor="person:ada", at=utc_now(), campaign_id=turning)
        gate.wait_for_end(in_flight)
        gate.wait_for_end(turning)
    assert [each.actor for each in ledger.promotions()] == ["policy:3", "person:ada"]


def _toy_whose_second_cheat_is_not_caught(tmp_path: Path) -> str:
    """A copy of the toy task with two cheats, of which the second is its first gain; returns its folder."""
    folder = tmp_path / "tasks" / "turning"
    shutil.copytree(load_task("toy").root, folder)
    task_file = folder / "task.toml"
    task_file.write_text(
        task_file.read_text("utf-8").replace('"rsi/toy"', '"rsi/turning"'), "utf-8"
    )
    cheats = folder / "cheats"
    first = (cheats / "cheats.toml").read_text("utf-8").split("[[cheat]]")[1]
    second = first.replace("01_edits_the_entry", "09_is_let_through")
    (cheats / "cheats.toml").write_text(f"[[cheat]]{first}[[cheat]]{second}", "utf-8")
    for patch in cheats.glob("*.patch"):
        if patch.stem != "01_edits_the_entry":
            patch.unlink()
    shutil.copy(folder / "solutions" / "02_row_sums_once.patch", cheats / "09_is_let_through.patch")
    return str(folder)
