"""What the form queues: defaults as on the command line, clones that lose nothing, forks that really go on."""

import dataclasses
import sys
from concurrent.futures import Future

import pytest
from tests.plugins.installing import install
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import IDEAS, Sample
from textual.widgets import Input

from rsi.agent.policy.settings import default_lineage, queue_campaign
from rsi.agent.search.choose import strategy_kinds
from rsi.agent.store.config import CampaignConfig
from rsi.evals.planted.controls import EVERY_ROUNDS
from rsi.sandboxes.select import backend_names
from rsi.tasks.format.loader import load_task
from rsi.tui.actions import queue
from rsi.tui.app import CockpitApp
from rsi.tui.errors import ActionRefusedError
from rsi.tui.model.settings import Settings, load_settings, settings_path
from rsi.tui.screens.dialogues.asking import AskText
from rsi.tui.screens.dialogues.new_campaign import FIELDS, NewCampaign
from rsi.tui.screens.replay.views import turn_of
from rsi.tui.widgets.choice import Choice

pytestmark = pytest.mark.slow

ROUND = "c1120-4f2a-0005"


def cockpit(sample: Sample, mode: str = "queue", **options) -> CockpitApp:
    return CockpitApp(sample.ledger, home=sample.home, first_mode=mode, **options)


def wanted(**settings) -> dict[str, object]:
    return {"rounds": 3, "proposer": "scripted:demo", "backend": "process", **settings}


def config_of(sample: Sample, campaign_id: str) -> CampaignConfig:
    return sample.ledger.campaign(campaign_id).config


def newest(sample: Sample, *, besides: int) -> CampaignConfig:
    campaigns = sample.ledger.campaigns()
    assert len(campaigns) == besides + 1
    return campaigns[0].record.config


@pytest.mark.parametrize(("profile", "every"), [("large", EVERY_ROUNDS), ("smoke", 0)])
def test_a_campaign_of_the_form_plants_controls_as_often_as_one_of_the_command_line(
    sample, profile, every
):
    record = queue(
        sample.ledger, sample.home, task="toy", track=None, profile=profile, settings=wanted()
    )
    assert config_of(sample, record.id).control_every == every
    none = queue(
        sample.ledger, sample.home, task="toy", track=None, profile=profile,
        settings=wanted(control_every=0),
    )  # fmt: skip
    assert config_of(sample, none.id).control_every == 0


def cloned(sample: Sample, tmp_path) -> CampaignConfig:
    """A campaign none of whose settings is a default, queued in the ledger."""
    task = load_task("toy")
    config = CampaignConfig(
        task_root=str(task.root), rounds=5, proposer="scripted:demo", other_proposers=("scripted:demo",),
        reviewer="rules", critic="none", autonomy=2, is_autonomy_granted=True, backend="process",
        strategy="tree", budget_usd=3.0, budget_tokens=70_000, budget_wall_s=5400.0, budget_device_s=900.0,
        review_votes=3, is_unknown_price_allowed=True, campaign_alpha=0.02, control_every=7,
        fork_of=ROUND, fork_step=1, fork_say="smaller", driver_digests={"scaffold": "5c" * 32},
        on=("gpu=h100", "label=lab"), parallel=3,
    )  # fmt: skip
    queue_campaign(sample.ledger, task, profile="large", lineage="of-ada", config=config)
    return config


async def test_a_clone_keeps_every_setting_that_the_form_does_not_show_but_the_seed(
    sample, tmp_path
):
    original = cloned(sample, tmp_path)
    app = cockpit(sample)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: len(app.view.campaigns) == 2)
        await pilot.press("g", "c")
        assert isinstance(app.screen, NewCampaign)
        assert app.screen.query_one("#field-budget_hours").value == "1.5"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(sample.ledger.campaigns()) == 3, seconds=60)
        found = newest(sample, besides=2)
        assert found.seed != original.seed
        assert dataclasses.replace(found, seed=original.seed) == original
        assert sample.ledger.campaigns()[0].record.lineage == "of-ada"


async def test_a_clone_moved_to_another_size_leaves_the_champion_of_the_first_alone(
    sample, tmp_path
):
    cloned(sample, tmp_path)
    app = cockpit(sample)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: len(app.view.campaigns) == 2)
        await pilot.press("g", "c")
        app.screen.query_one("#field-profile").focus()
        await pilot.press("right")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(sample.ledger.campaigns()) == 3, seconds=60)
        record = sample.ledger.campaigns()[0].record
        assert (record.profile, record.lineage) == (
            "smoke",
            default_lineage(load_task("toy"), "smoke"),
        )


async def test_a_clone_keeps_a_strategy_that_the_form_does_not_offer(sample, tmp_path):
    config = {"strategy": "tree:pick=softmax", "autonomy": 0}
    before = sample.ledger.campaign("c1120-4f2a")
    odd = dataclasses.replace(
        before, id="c1120-odd", config=dataclasses.replace(before.config, **config)
    )
    sample.ledger.add_campaign(odd)
    app = cockpit(sample)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: len(app.view.campaigns) == 2)
        await pilot.press("g", "c")
        assert app.screen._value("strategy") == "tree:pick=softmax"
        assert app.screen._value("autonomy") == "0"


async def test_a_form_queues_one_campaign_however_often_it_is_told_to(sample):
    app = cockpit(sample)
    asked = []
    app.work_aside = lambda work: asked.append(Future()) or asked[-1]
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: bool(app.view.campaigns))
        await pilot.press("n", "ctrl+s", "ctrl+s", "escape")
        assert isinstance(app.screen, NewCampaign), "its answer is still to come"
        assert len(asked) == 1
        asked[0].set_exception(ActionRefusedError("no room"))
        await until(pilot, lambda: "no room" in app.screen._problem)
        await pilot.press("ctrl+s")
        assert len(asked) == 2
        asked[1].set_exception(ActionRefusedError("no room"))
        await until(pilot, lambda: not app.screen._is_queueing)
        await pilot.press("escape")
        assert not isinstance(app.screen, NewCampaign)


async def test_the_form_starts_with_the_budget_of_the_settings(sample):
    app = cockpit(sample, "settings")
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: getattr(app.screen, "mode", "") == "settings")
        for name, text in (("budget_usd", "2.5"), ("budget_hours", "8")):
            app.screen.table.select_id(name)
            await pilot.press("enter", *text, "enter")
        path = settings_path(sample.home.root)
        assert load_settings(path) == Settings(budget_usd=2.5, budget_hours=8)
        await pilot.press("1", "n")
        form = app.screen
        assert isinstance(form, NewCampaign)
        shown = [form.query_one(f"#field-{name}", Input).value for name in ("budget_usd", "budget_hours")]  # fmt: skip
        assert shown == ["2.5", "8"]
        await pilot.press("escape", "8")
        app.screen.table.select_id("budget_usd")
        await pilot.press("enter", "backspace", "backspace", "backspace", *"-1", "enter")
        assert app.settings.budget_usd == 2.5, "what is no amount is refused"
        await pilot.press("enter", "backspace", "backspace", "backspace", "enter")
        assert load_settings(path).budget_usd is None


async def test_a_fork_goes_on_after_the_turn_under_the_cursor(sample):
    task = load_task("toy")
    before = CampaignConfig(**wanted(task_root=str(task.root), budget_usd=4.0))
    record = queue_campaign(sample.ledger, task, profile="smoke", lineage="of-ada", config=before)
    ids = sample.play(record, IDEAS[-1:])
    app = cockpit(sample, "replay", campaign_id=record.id)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(
            pilot,
            lambda: getattr(app.screen, "mode", "") == "replay" and len(app.screen.store) == 16,
        )
        await until(pilot, lambda: app.screen.event is not None)
        await pilot.press("0", "F")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        assert "from the start" in screen_text(app)
        await pilot.press("escape", "dollar_sign", "F")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        assert "after turn 1" in screen_text(app)
        await pilot.press(*"mind the margin", "enter")
        await until(pilot, lambda: len(sample.ledger.campaigns()) == 3, seconds=60)
        queued = sample.ledger.campaigns()[0].record
        config = config_of(sample, queued.id)
        assert (config.fork_of, config.fork_step, config.fork_say) == (
            ids[0],
            1,
            "mind the margin",
        )
        assert (config.rounds, config.budget_usd, queued.lineage) == (1, 4.0, "of-ada")
        assert config.seed != before.seed
        assert not sample.ledger.requests(campaign_id=queued.id), "no message stands in for a fork"


def test_an_event_of_no_proposer_is_refused_in_a_sentence(sample):
    assert turn_of(sample.ledger, ROUND, 0) == 0
    assert turn_of(sample.ledger, ROUND, 15) == 1
    with pytest.raises(ActionRefusedError, match="cannot be gone on from here"):
        turn_of(sample.ledger, ROUND, 99)


def words_of(app: CockpitApp) -> str:
    """What the screen says, whatever line it is on."""
    return " ".join(screen_text(app).replace("│", " ").split())


async def test_the_form_offers_every_backend_and_strategy_that_can_be_named(sample, monkeypatch, tmp_path):  # fmt: skip
    entries = (
        "[rsi.backends]\nwalled = good_walls:Walled\n[rsi.strategies]\nby_hand = good_walls:X\n"
    )
    install(tmp_path, "good-walls", entries)
    monkeypatch.syspath_prepend(str(tmp_path))
    app = cockpit(sample)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app.view.campaigns))
        await pilot.press("n")
        form = app.screen
        for name, words in (
            ("backend", backend_names()),
            ("strategy", tuple(each.name for each in strategy_kinds())),
        ):
            field = form.query_one(f"#field-{name}", Choice)
            field.focus()
            met = [field.value]
            for _ in words[1:]:
                await pilot.press("right")
                met.append(field.value)
            assert tuple(met) == words
            assert met[-1] in {"walled", "by_hand"}
            await until(pilot, lambda: "of good-walls 1.0" in words_of(app).lower())
        assert "docker+runsc" in backend_names()
        form.query_one("#field-proposer").focus()
        await pilot.pause()
        assert "replay:<round or ATIF file>" in words_of(app)
        assert "^s queue it" in screen_text(app), "the notes have room for it"
    assert "good_walls" not in sys.modules


@pytest.mark.parametrize("field", FIELDS, ids=lambda each: each.name)
def test_every_field_of_the_form_fills_a_setting_that_exists(field):
    known = {each.name for each in dataclasses.fields(CampaignConfig)} | {"track", "profile"}
    assert field.setting in known
