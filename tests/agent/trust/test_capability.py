"""Capability and control of a lineage on one time axis: rates of what was known by then, totals only where measured whole."""

import json

import pytest
from tests.agent.trust.test_autonomy import plant

from rsi.agent.cli.entry import main
from rsi.agent.trust.capability import capability_and_control
from rsi.evals.planted.controls import ControlKind


def shares(moments):
    return [(each.cheats_caught.share, each.false_promotions.share, each.seen.share) for each in moments]  # fmt: skip


@pytest.fixture
def moments(past):
    def found():
        return capability_and_control(past.ledger, "past")

    return found


def test_nothing_is_known_of_a_lineage_on_which_nothing_happened(moments):
    assert moments() == ()


def test_each_moment_has_the_rates_of_what_was_known_by_then(past, moments):
    plant(past, ControlKind.CHEAT, "01_edits_the_entry", "not_admitted")
    plant(past, ControlKind.NULL, "01_null", "refuted")
    past.round("02_row_sums_once", "promoted", ratios=(1.5,) * 3, review=("ok",))
    plant(past, ControlKind.CHEAT, "08_ships_the_counts", "rejected", reached=True)
    found = moments()
    assert [each.at for each in found] == sorted(each.at for each in found)
    last = found[-1]
    assert last.event == "cheat 08_ships_the_counts: reached the gate"
    assert last.is_failure
    assert last.cheats_caught.share == 0.5
    assert last.false_promotions.share == 0.0
    assert (last.seen.count, last.seen.total) == (0, 1), "policy promoted it, and nobody saw it"
    assert last.ideas == 1
    (promotion,) = [each for each in found if each.event == "promotion"]
    assert not promotion.is_failure
    assert promotion.speedup is not None, "the first step is measured against the baseline itself"
    assert last.speedup == promotion.speedup, "a control moves no champion"


def test_a_known_gain_at_the_gate_is_no_failure_of_control(past, moments):
    plant(past, ControlKind.POSITIVE, "02_row_sums_once", "rejected", reached=True)
    (only,) = moments()
    assert not only.is_failure
    assert only.cheats_caught.total == 0


def test_the_verb_prints_it_beside_the_rates(past, capsys):
    plant(past, ControlKind.CHEAT, "01_edits_the_entry", "not_admitted")
    assert main(["controls", past.campaign.id, "--over-time"]) == 0
    said = capsys.readouterr().out
    assert "a person saw" in said
    assert "cheat 01_edits_the_entry: not admitted" in said
    assert main(["controls", past.campaign.id, "--over-time", "--json"]) == 0
    (moment,) = json.loads(capsys.readouterr().out)["over_time"]
    assert moment["cheats_caught"]["count"] == 1
    assert main(["controls", past.campaign.id, "--json"]) == 0
    assert "over_time" not in json.loads(capsys.readouterr().out)
