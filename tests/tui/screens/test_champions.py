"""What a lineage has won is drawn on Lineage and said on Queue, and is absent while nothing was promoted."""

import pytest
from tests.facts import interval
from tests.tui.conftest import screen_text, until
from tests.tui.screens.test_screens import cockpit, ready

from rsi.agent.report.champions import Move
from rsi.tui.draw.phrases import ratio
from rsi.tui.widgets.championview import ChampionView, sparkline

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_lineage_draws_what_each_move_left_the_champion_at(sample, size):
    app = cockpit(sample, "lineage")
    async with app.run_test(size=size) as pilot:
        screen = await ready(pilot, "lineage")
        await until(pilot, lambda: screen.query_one(ChampionView).points)
        points = screen.query_one(ChampionView).points
        assert [each.move for each in points][:2] == [Move.BASELINE, Move.PROMOTION]
        text = screen_text(app)
        assert " Champion over rounds " in text
        below = text.partition(" Champion over rounds ")[2].split("\n")
        (drawn,) = (each for each in below if "✔ promoted" in each)
        first = next(each for each in points if each.total and each.move is Move.PROMOTION)
        assert ratio(first.total.estimate) in drawn
        assert " → " in drawn
        assert ("┼" in drawn) is (size[0] > 100)


async def test_queue_says_it_in_one_line(sample):
    app = cockpit(sample)
    async with app.run_test(size=(200, 50)) as pilot:
        await ready(pilot, "queue")
        await until(pilot, lambda: app.view.campaign is not None and app.view.campaign.champions)
        await until(pilot, lambda: "champion  " in screen_text(app))
        text = screen_text(app)
        assert "promotion" in next(each for each in text.split("\n") if "champion  " in each)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_each_campaign_of_the_list_has_the_trend_of_its_lineage(sample, size):
    app = cockpit(sample)
    async with app.run_test(size=size) as pilot:
        screen = await ready(pilot, "queue")
        await until(pilot, lambda: app.view.totals and screen.table.ids)
        row = "".join(text for text, _ in screen.table.line_at(0))
        assert "▁█" in row, "the baseline, and what the one promotion left it at"
        assert row.rstrip() in screen_text(app)


def test_a_trend_of_many_totals_keeps_the_first_and_the_last():
    totals = [interval(1.0 + 0.1 * number) for number in range(30)]
    assert sparkline(totals, 4) == "▁▃▆█"
    assert len(sparkline(totals)) == 24
    assert sparkline(totals[:2], 4) == "▁█"
