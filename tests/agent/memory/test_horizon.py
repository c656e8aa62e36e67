"""The horizon: a fit that can be done by hand, nothing made up where the data say nothing, nothing mixed."""

import json
import math
from dataclasses import replace

import pytest
from tests.facts import interval, score

from rsi.agent.cli.entry import main
from rsi.agent.memory.horizon import Attempt, Horizon, Span, fit, horizon_of, horizons, minutes_at
from rsi.agent.policy.settings import queue_campaign
from rsi.agent.report.campaign_report import build_report
from rsi.agent.report.html_page import html_page
from rsi.agent.report.markdown_page import markdown_page
from rsi.agent.report.plots import horizon_plot
from rsi.agent.report.wording import horizon_sentence
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import Audit, CampaignEvent
from rsi.agent.store.records import CampaignEventKind, utc_now
from rsi.tasks.format.loader import load_task


def tried(minutes, *successes, family="a"):
    return [
        Attempt(family=family, rung="r", minutes=minutes, source="estimated", succeeded=each)
        for each in successes
    ]


def test_two_lengths_are_fitted_as_by_hand():
    """3 of 4 at 4 min and 1 of 4 at 16 min: log odds ln 3 at 2 and -ln 3 at 4, so zero at 3, which is 8 min."""
    attempts = [*tried(4, True, True, True, False), *tried(16, True, False, False, False)]
    a, b = fit(attempts)
    assert b == pytest.approx(-math.log(3))
    assert a == pytest.approx(3 * math.log(3))
    assert minutes_at((a, b), 0.5) == pytest.approx(8)
    assert minutes_at((a, b), 0.8) == pytest.approx(2 ** (3 - math.log(4) / math.log(3)))


@pytest.mark.parametrize(
    "attempts",
    [
        [],
        tried(4, True, False),
        tried(4, True) + tried(8, True),
        tried(4, True, True) + tried(8, False, False),
        tried(4, False, True, False) + tried(8, True, True, False),
    ],
    ids=["nothing", "one length", "all climbed", "no overlap", "longer is easier"],
)
def test_data_that_determine_no_curve_give_no_number(attempts):
    assert fit(attempts) is None


@pytest.fixture
def campaign(home, ledger):
    """A finished campaign whose audit says how far it came."""

    def go(task, speedup, *, model="anthropic:m", profile=None):
        loaded = load_task(task)
        config = CampaignConfig(task_root=str(loaded.root), rounds=1, proposer=model)
        record = queue_campaign(
            ledger, loaded, profile=profile or loaded.default_profile, lineage="x", config=config
        )
        audit = Audit(
            word="measured",
            baseline_commit="a" * 40,
            champion_commit="b" * 40,
            score=replace(score(), effect=interval(speedup)),
        )
        ledger.add_campaign_event(
            CampaignEvent(
                campaign_id=record.id, kind=CampaignEventKind.FINISHED, at=utc_now(), audit=audit
            )
        )
        return record

    return go


def test_the_verb_reproduces_the_fit_of_its_own_attempts(campaign, capsys):
    """Toy rungs are 2.5x, 3.125x and 4.375x at 20, 45 and 75 min; the compiler's 10x and more, at 120 min and more."""
    for speedup in (1.5, 2.6, 3.5, 5.0, 2.0, 5.0):
        campaign("toy", speedup)
    campaign("compiler", 11.0, profile="smoke")
    assert main(["horizon", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["horizons"]
    assert (found["model"], found["is_scripted"]) == ("anthropic:m", False)
    climbed = {}
    for each in found["attempts"]:
        climbed.setdefault(each["minutes"], []).append(each["succeeded"])
    assert {minutes: sum(each) for minutes, each in climbed.items()} == {
        20: 4, 45: 3, 75: 2, 120: 1, 300: 0, 420: 0, 720: 0,
    }  # fmt: skip
    curve = fit([Attempt(**each) for each in found["attempts"]])
    assert found["half"]["minutes"] == pytest.approx(minutes_at(curve, 0.5))
    assert found["half"]["minutes"] > found["four_fifths"]["minutes"]
    # The score equations of maximum likelihood, by hand: observed and expected agree in sum and in weighted sum.
    a, b = curve
    for weight in (lambda _: 1.0, math.log2):
        seen = sum(weight(m) * sum(each) for m, each in climbed.items())
        said = sum(
            weight(m) * len(each) / (1 + math.exp(-(a + b * math.log2(m))))
            for m, each in climbed.items()
        )
        assert seen == pytest.approx(said, rel=1e-6)


def test_models_and_profiles_are_never_mixed_and_a_script_is_called_one(campaign, ledger):
    campaign("toy", 3.5)
    campaign("toy", 3.5, profile="large")
    campaign("toy", 3.5, model="scripted:demo")
    found = horizons(ledger)
    assert [(each.model, each.profile, each.is_scripted) for each in found] == [
        ("anthropic:m", "large", False), ("anthropic:m", "smoke", False), ("scripted:demo", "smoke", True),
    ]  # fmt: skip
    assert all(each.half is None and "does not determine" in each.reason for each in found)


def test_a_ledger_without_such_campaigns_says_so(ledger, capsys):
    assert main(["horizon"]) == 1
    assert "expert_min" in capsys.readouterr().out


def test_a_campaigns_report_draws_its_own_models_horizon(campaign, ledger):
    mine = campaign("toy", 1.3)
    campaign("toy", 2.9, model="anthropic:other")
    found = horizon_of(ledger, ledger.campaign_summary(mine.id))
    assert found is not None
    assert found == next(each for each in horizons(ledger) if each.model == "anthropic:m")
    report = build_report(ledger, None, mine.id)
    page, text = html_page(report), markdown_page(report)
    for each in found.attempts:
        assert f"{each.family} {each.rung}" in page
    assert page.count("climbed</span>") == len(found.attempts)
    assert horizon_sentence(found).split(": ", 1)[0] in page
    assert "## Time horizon" in text
    assert "anthropic:other" not in text


def test_horizons_with_an_interval_are_rows_of_their_own():
    attempts = tried(4, True, True, False) + tried(60, True, False) + tried(480, False, True, False)
    curve = fit(attempts)
    half, most = (minutes_at(curve, share) for share in (0.5, 0.8))
    found = Horizon(
        model="scripted:demo", profile="smoke", machine="", is_scripted=True, attempts=tuple(attempts),
        half=Span(minutes=half, low=half / 2, high=half * 2), four_fifths=Span(minutes=most, low=None, high=None), reason="",
    )  # fmt: skip
    drawn = horizon_plot(found)
    assert f"{half:.3g} min [{half / 2:.3g}, {half * 2:.3g}]" in drawn
    assert "no interval: too few families of tasks" in drawn
    assert "(scripted: nobody thought)" in horizon_sentence(found)
    nothing = replace(found, half=None, four_fifths=None, reason="every rung was climbed")
    assert "no horizon, for every rung was climbed" in horizon_sentence(nothing)
    assert "horizon</span>" not in horizon_plot(nothing)
