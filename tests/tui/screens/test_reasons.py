"""Every list says why a round ended, finds it by that, and ranks no refused gain above one that was promoted."""

from dataclasses import replace

import pytest
from tests.agent.report import rounds as made
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import Sample

from rsi.agent.report.filters import keeps, round_text
from rsi.agent.store.rounds import round_view
from rsi.evals.judge.causes import QUALITY_SAID
from rsi.evals.types import Verdict
from rsi.tui.app import CockpitApp
from rsi.tui.draw.phrases import ended, interval
from rsi.tui.draw.styled import TIMES
from rsi.tui.model.lineages import leaderboard
from rsi.tui.widgets.sentence import Sentence

WORSE = made.quality(is_kept=False, low=0.02, reason="hidden_bpb is worse by 0.029")
REFUSED = made.score(Verdict.REFUTED, reason=f"{QUALITY_SAID}{WORSE.reason}", quality=(WORSE,))


def test_no_leaderboard_ranks_a_refused_gain_above_one_that_was_promoted(sample):
    rounds = [
        round_view(
            each, sample.ledger.steps(each.id), (), sample.ledger.promotions(round_id=each.id)
        )
        for each in sample.ledger.rounds("c1120-4f2a")
    ]
    refused = replace(made.scored(REFUSED), record=replace(rounds[0].record, id="c1120-4f2a-0009"))
    places = leaderboard([*rounds, refused], minimum_effect=0.02)
    assert [(each.place, ended(each.view)[0]) for each in places] == [
        (1, "▲ gate"),
        (2, "✔ promoted"),
        (None, "✖ refuted: quality hidden_bpb"),
        (None, "≈ inconclusive: noise"),
        (None, "✖ refuted: worse"),
    ]
    assert refused.effect.low > rounds[1].effect.low


def test_words_of_a_filter_must_all_be_there_in_any_order():
    text = round_text(made.scored(REFUSED))
    assert keeps("quality", text)
    assert keeps("hidden_bpb REFUTED", text)
    assert keeps("", text)
    assert keeps("!worse", text)
    assert not keeps("quality !refuted", text)
    assert keeps("(", "a ( b"), "what is no regular expression is taken literally"
    assert keeps("^c1120", text)


@pytest.mark.parametrize("mode", ["run", "lineage", "notebook"])
@pytest.mark.slow
async def test_the_reason_stands_in_the_list_and_the_list_is_filtered_by_it(sample, mode):
    app = CockpitApp(sample.ledger, home=sample.home, first_mode=mode)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "refuted: worse" in screen_text(app))
        assert "inconclusive: noise" in screen_text(app)
        assert "not admitted: reads_" in screen_text(app)
        table = app.screen.filtered()
        await pilot.press("slash", *"worse", "enter")
        assert list(table.ids) == ["c1120-4f2a-0004"]
        assert app.focused is table
        assert "/worse" in screen_text(app)
        await pilot.press("slash", *"x", "enter")
        assert "Nothing matches 'worsex'. esc shows all." in screen_text(app)
        await pilot.press("escape")
        assert len(table.ids) >= 5


@pytest.mark.slow
async def test_the_sentence_stands_on_top_of_the_gate_and_of_each_round(sample):
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="gate")
    said = "Waits for a decision: 1.84 times as fast, surely above 1.78 (95%); quality unchanged"
    async with app.run_test(size=(120, 36)) as pilot:
        for key in ("3", "2", "4", "6"):
            await pilot.press(key)
            await until(pilot, lambda: said in screen_text(app))
            rows = app.screen.query_one(Sentence).region.height
            # The gate also says what a decision leads to.
            assert rows == 2 + ("next: " in screen_text(app)), "it takes what it needs"
        await pilot.press("2", "k")
        await until(pilot, lambda: "Refused because it is slower: it takes 1.41 times as long" in screen_text(app))  # fmt: skip


@pytest.mark.slow
async def test_the_sentence_goes_with_the_candidate(tmp_path):
    sample = Sample(tmp_path / "home")
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="gate")
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "Nothing waits." in screen_text(app))
        assert app.screen.query_one(Sentence).region.height == 0
    sample.ledger.close()


def test_an_interval_carries_its_level_and_one_that_says_nothing_is_marked():
    assert interval(made.GAIN) == f"1.86{TIMES} [1.79, 1.94] 95%"
    assert interval(made.interval(0.9, 1.0, 1.1, 0.99)) == f"1.00{TIMES} [0.90, 1.10] 99%"
    assert interval(made.interval(0.14, 2.5, 44.67)) == "? 0.14 to 44.67 95%"
