"""Past decisions again under other rules, from stored samples alone."""

import pytest

from rsi.agent.store.steps.values import Planted
from rsi.agent.trust.what_if import Panel, Rule, Ruling, Statistic, WhatIfError, what_if
from rsi.evals.planted.controls import ControlKind

pytestmark = pytest.mark.slow

CLEAR = (1.50, 1.52, 1.49)
SMALL = (1.08, 1.09, 1.08)
LUCKY = (1.02, 0.97, 0.96)
SLOWER = (0.80, 0.81, 0.79)


@pytest.fixture
def campaign(past):
    past.round("02_row_sums_once", "promoted", ratios=CLEAR, confirm=CLEAR, review=("ok",))
    past.round("01_null", "refuted", ratios=LUCKY)
    past.round("05_twice_the_grid", "refuted", ratios=SLOWER)
    past.round("06_a_fortieth_of_the_text", "refuted", ratios=CLEAR, excess=0.5)
    past.round("01_edits_the_entry", "not_admitted")
    return past


def ask(past, home, **rule):
    return what_if(past.ledger, home, past.campaign.id, Rule(**rule))


def changed(found):
    return {each.label: each.ruling for each in found.rounds if each.is_changed}


def test_the_rule_of_the_campaign_itself_changes_nothing(campaign, home):
    found = ask(campaign, home)
    assert changed(found) == {}
    assert found.lines[0] == "with this rule you would have promoted 1 instead of 1"


@pytest.mark.parametrize("statistic", Statistic)
def test_every_statistic_tells_what_is_clear_and_only_what_is_not_final_asks_for_fresh_runs(
    campaign, home, statistic
):
    campaign.round("02_row_sums_once", "refuted", ratios=CLEAR)
    found = {each.label: each.ruling for each in ask(campaign, home, statistic=statistic).rounds}
    assert (found["1"], found["3"]) == (Ruling.PROMOTED, Ruling.NOT_PROMOTED)
    assert found["6"] is (Ruling.PROMOTED if statistic.is_final else Ruling.UNKNOWN)


def test_keep_if_better_promotes_luck(campaign, home):
    found = ask(campaign, home, statistic=Statistic.KEEP_IF_BETTER)
    assert changed(found) == {"2": Ruling.PROMOTED}
    assert found.lines[0] == "with this rule you would have promoted 2 instead of 1"


def test_without_quality_rules_a_broken_model_is_promoted_by_one_look(campaign, home):
    found = ask(campaign, home, statistic=Statistic.FIXED_N, has_quality=False)
    assert changed(found) == {"4": Ruling.PROMOTED}


def test_a_larger_minimum_effect_drops_what_no_longer_counts(campaign, home):
    assert changed(ask(campaign, home, minimum_effect=0.6)) == {"1": Ruling.NOT_PROMOTED}


def test_where_the_samples_end_too_early_it_says_so(campaign, home):
    found = ask(campaign, home, has_quality=False)
    assert changed(found) == {"4": Ruling.UNKNOWN}
    assert "never run" in next(each for each in found.rounds if each.label == "4").why
    assert changed(ask(campaign, home, statistic=Statistic.FIXED_N, pairs=9))["1"] is Ruling.UNKNOWN


def test_what_was_never_run_stays_unknown_without_rules(campaign, home):
    assert changed(ask(campaign, home, has_rules=False)) == {"5": Ruling.UNKNOWN}


def test_what_rules_held_would_have_passed_without_them(past, home):
    past.round(
        "02_row_sums_once", "rejected", ratios=CLEAR, confirm=CLEAR, review=("held", "clock: x")
    )
    assert changed(ask(past, home)) == {}
    assert changed(ask(past, home, has_rules=False)) == {"1": Ruling.PROMOTED}


@pytest.mark.parametrize(
    ("votes", "review", "promoted_by"),
    [
        (("block", None, None), ("held", "doubt: x"), {Panel.RULES, Panel.MAJORITY}),
        (("hold", "block", None), ("held", "doubt: x"), {Panel.RULES}),
        (("note", None, None), ("ok",), {Panel.RULES, Panel.MAJORITY, Panel.ANY_VOTE}),
        ((None, None), ("held", "beyond the plausible: x"), set()),
    ],
)
def test_another_reviewer_counts_the_stored_votes_in_another_way(
    past, home, votes, review, promoted_by
):
    was = "promoted" if review == ("ok",) else "rejected"
    past.round("02_row_sums_once", was, ratios=CLEAR, confirm=CLEAR, review=review, votes=votes)
    for panel in (Panel.RULES, Panel.MAJORITY, Panel.ANY_VOTE):
        (found,) = ask(past, home, panel=panel).rounds
        assert (found.ruling is Ruling.PROMOTED) == (panel in promoted_by), (panel, found.why)
    assert changed(ask(past, home)) == {}


def test_planted_patches_are_counted_by_themselves(past, home):
    planted = Planted(kind=ControlKind.NULL, name="null", expect=("refuted",))
    past.round("01_null", "refuted", ratios=LUCKY, planted=planted)
    past.round("02_row_sums_once", "promoted", ratios=CLEAR, confirm=CLEAR, review=("ok",))
    found = ask(past, home, statistic=Statistic.KEEP_IF_BETTER)
    assert found.lines[:2] == (
        "with this rule you would have promoted 1 instead of 1",
        "of 1 planted patches that must not pass, 1 would have passed instead of 0",
    )


@pytest.mark.parametrize("rule", [{"alpha": 0.7}, {"minimum_effect": -1.0}, {"pairs": 1}])
def test_a_rule_that_makes_no_sense_is_refused(past, home, rule):
    with pytest.raises(WhatIfError, match=next(iter(rule)).replace("_", " ")):
        ask(past, home, **rule)
