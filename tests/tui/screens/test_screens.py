"""Every screen opens on a real ledger, every key does what the registry says, and nothing is lost on the way."""

import dataclasses
import re
import shutil
import time
from datetime import timedelta

import pytest
from tests.tui.conftest import say_yes, screen_text, until
from tests.tui.ledgers import START, Sample
from textual.css.query import NoMatches
from textual.widgets import Input

from rsi.agent.memory.tree import tree_rows
from rsi.agent.store.codec import encode
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import CampaignEventKind, RequestKind, RoundRecord
from rsi.agent.store.rounds import round_view
from rsi.agent.store.sql.tables import campaigns
from rsi.agent.store.stages import Stage, stage_times
from rsi.tui.app import CockpitApp
from rsi.tui.draw.styled import Role, line
from rsi.tui.lines.run import step_strip
from rsi.tui.model.commands import BY_ID, COMMANDS, SCREENS, Scope
from rsi.tui.model.lineages import leaderboard
from rsi.tui.model.settings import load_settings, settings_path
from rsi.tui.screens.controls import time_lines
from rsi.tui.screens.dialogues.asking import AskText, Confirm, Show
from rsi.tui.screens.dialogues.diff import DiffDialogue
from rsi.tui.screens.dialogues.new_campaign import NewCampaign
from rsi.tui.screens.queue import QueueScreen
from rsi.tui.screens.run import RunScreen
from rsi.tui.screens.settings import SettingsScreen
from rsi.tui.widgets.paper import Paper

pytestmark = pytest.mark.slow

HEADINGS = {
    "queue": "Campaigns", "run": "Effect, pair by pair", "gate": "Case", "replay": "Step 0: system", "lineage": "Leaderboard",
    "notebook": "Lesson", "controls": "Controls, one by one", "settings": "This cockpit",
}  # fmt: skip
MODES = tuple(each.value for each in SCREENS.values())


def cockpit(sample: Sample, mode: str = "queue", **options) -> CockpitApp:
    return CockpitApp(sample.ledger, home=sample.home, first_mode=mode, **options)


async def ready(pilot, mode: str):
    await until(
        pilot,
        lambda: bool(pilot.app.view.campaigns) and getattr(pilot.app.screen, "mode", "") == mode,
    )
    return pilot.app.screen


async def test_every_screen_opens_by_its_digit_at_eighty_by_twenty_four(sample):
    app = cockpit(sample)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, "queue")
        for digit, mode in enumerate(MODES, start=1):
            await pilot.press(str(digit))
            await until(pilot, lambda mode=mode: app.screen.mode == mode)
            await until(pilot, lambda word=HEADINGS[mode]: f" {word} " in screen_text(app))
            rows = screen_text(app).split("\n")
            assert len(rows) == 24
            assert all(each.label in rows[0] for each in SCREENS.values()), "all tabs fit"
            assert "worker ok" in rows[-2]
            assert "? help" in rows[-1]


async def test_the_clock_may_come_while_a_screen_is_being_made(sample):
    app = cockpit(sample, "controls")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await ready(pilot, "controls")
        await screen.query_one("#planted").remove()
        screen._is_mounted = False  # as while its tables are still to come
        app._on_clock()
        assert screen.check_action("show_round", ()) in {True, None}
        screen._is_mounted = True
        with pytest.raises(NoMatches):
            app._on_clock()


async def test_an_empty_ledger_says_on_every_screen_what_to_do_next(tmp_path):
    sample = Sample(tmp_path / "home")
    app = cockpit(sample)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.view.read_at is not None)
        said = {}
        for digit, mode in enumerate(MODES, start=1):
            await pilot.press(str(digit))
            await pilot.pause(0.05)
            said[mode] = screen_text(app)
        assert "n queues one" in said["queue"]
        assert "rsi demo" in said["queue"]
        assert "Nothing waits." in said["gate"]
        for mode in ("run", "replay", "lineage", "notebook", "controls"):
            assert "No " in said[mode] or "Nothing" in said[mode], mode


async def test_every_key_of_every_screen_can_be_pressed(sample):
    """Whatever is pressed, in whatever order the registry has it, the cockpit goes on."""
    app = cockpit(sample)
    leaves = {
        "global.quit",
        "global.screenshot",
        "replay.pager",
        "replay.editor",
        "gate.pager",
        "gate.edit",
        "settings.file",
    }
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot, "queue")
        for digit, mode in enumerate(MODES, start=1):
            await pilot.press(str(digit))
            await ready(pilot, mode)
            scopes = {app.screen.scope, Scope.LIST, Scope.DIFF, Scope.CURVE}
            for command in COMMANDS:
                if command.scope not in scopes or command.id in leaves:
                    continue
                await pilot.press(command.keys.split(",")[0])
                while app.screen is not app.screen_behind_dialogues or isinstance(
                    app.focused, Input
                ):
                    await pilot.press("escape")
                if app.screen.mode != mode:
                    await pilot.press(str(digit))
        assert app.is_running
        assert not sample.ledger.decisions("c1120-4f2a-0005")


@pytest.mark.parametrize("mode", MODES)
async def test_help_lists_the_keys_of_the_screen(sample, mode):
    app = cockpit(sample, mode)
    async with app.run_test(size=(100, 50)) as pilot:
        screen = await ready(pilot, mode)
        await pilot.press("question_mark")
        assert isinstance(app.screen, Show)
        text = app.screen.query_one("#text", Paper).lines
        joined = "\n".join("".join(part for part, _ in each) for each in text)
        for command in COMMANDS:
            if command.scope in (screen.scope, Scope.GLOBAL):
                assert command.help in joined
        await pilot.press("escape")
        assert app.screen is screen


@pytest.mark.parametrize("mode", ["gate", "replay", "settings"])
async def test_help_can_be_read_to_its_end_on_a_small_terminal(sample, mode):
    app = cockpit(sample, mode)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, mode)
        await pilot.press("question_mark")
        await until(pilot, lambda: "esc close" in screen_text(app))
        assert BY_ID["global.quit"].help not in screen_text(app)
        await pilot.press("G")
        await until(pilot, lambda: BY_ID["global.quit"].help in screen_text(app))
        assert "esc close" in screen_text(app)
        await pilot.resize_terminal(80, 60)
        await until(pilot, lambda: screen_text(app).count("esc close") == 1)


async def test_a_long_question_leaves_its_answer_on_the_screen(sample):
    app = cockpit(sample)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, "queue")
        answers = []
        lines = [line(f"reason {number}") for number in range(40)]
        app.push_screen(AskText("Override", lines, label="go on", text="typed"), answers.append)
        await until(pilot, lambda: "esc cancel" in screen_text(app))
        assert "typed" in screen_text(app)
        await pilot.press("enter")
        assert answers == ["typed"]


async def test_the_palette_finds_commands_and_rounds(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=(100, 40)) as pilot:
        await ready(pilot, "run")
        await until(pilot, lambda: app.view.campaign is not None)
        await pilot.press("colon")
        await pilot.press(*"torch.compile")
        await pilot.pause(0.6)
        await pilot.press("down", "enter")
        await until(pilot, lambda: getattr(app.screen, "mode", "") == "replay")
        assert app.round_id == "c1120-4f2a-0004"


async def test_a_view_that_comes_while_no_screen_is_in_front_is_not_a_fault(sample, monkeypatch):
    app = cockpit(sample)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, "queue")
        with monkeypatch.context() as between:
            between.setattr(CockpitApp, "screen_stack", property(lambda _: []))
            app._take_view(app.view)
            app.on_new_view()
            app._on_clock()
            app.choose("c1120-4f2a")


# --- queue ---------------------------------------------------------------------------------


async def test_the_queue_filters_sorts_and_opens(sample):
    for number in range(30):
        sample.campaign(f"c1120-{number:04x}", task="toy")
    app = cockpit(sample)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await ready(pilot, "queue")
        await until(pilot, lambda: len(screen.table.ids) == 31)
        await pilot.press("slash", *"4f2a", "enter")
        assert screen.table.ids == ["c1120-4f2a"]
        assert app.focused is screen.table
        await pilot.press("slash", "home", "!")
        assert len(screen.table.ids) == 30
        await pilot.press("escape")
        assert len(screen.table.ids) == 31
        await pilot.press("s", "s")
        assert screen.table.ids[0] == "c1120-4f2a", "the one with a promotion comes first"
        await pilot.press("g", "enter")
        await until(pilot, lambda: app.screen.mode == "gate")
        await pilot.press("escape")
        assert app.screen is screen


async def test_pause_resume_and_stop_are_requests(sample):
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await ready(pilot, "queue")
        await until(pilot, lambda: app.view.campaign is not None)
        await pilot.press("p")
        await until(pilot, lambda: len(sample.ledger.requests()) == 1)
        await until(pilot, lambda: len(app.view.campaign.requests) == 1)
        await pilot.press("p")
        await until(pilot, lambda: len(sample.ledger.requests()) == 2)
        await pilot.press("x")
        assert isinstance(app.screen, Confirm)
        await pilot.press("enter")
        assert app.screen is screen
        await pilot.press("x")
        await until(pilot, lambda: app.screen.is_settled)
        await pilot.press("y")
        await until(pilot, lambda: len(sample.ledger.requests()) == 3)
        kinds = [each.kind for each in sample.ledger.requests()]
        assert kinds == [RequestKind.PAUSE, RequestKind.RESUME, RequestKind.STOP]
        assert all(each.actor.startswith("person:") for each in sample.ledger.requests())


async def test_ten_thousand_campaigns_stay_quick(tmp_path):
    sample = Sample(tmp_path / "home")
    record = sample.campaign("c0000-0000")
    with sample.ledger._database.write() as connection:
        rows = []
        for number in range(10_000):
            each = dataclasses.replace(record, id=f"c{number:05d}")
            rows.append({"id": each.id, "lineage": each.lineage, "body": encode(each)})
        connection.execute(campaigns.insert(), rows)
    app = cockpit(sample)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await ready(pilot, "queue")
        await until(pilot, lambda: len(screen.table.ids) > 10_000, seconds=30)
        started = time.process_time()
        screen.show(app.view)
        await pilot.pause()
        assert time.process_time() - started < 0.5


async def test_the_form_refuses_what_cannot_work_and_says_why(sample):
    app = cockpit(sample)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, "queue")
        await pilot.press("n")
        assert isinstance(app.screen, NewCampaign)
        form = app.screen
        form.query_one("#field-rounds").value = "0"
        await pilot.pause()
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, NewCampaign)
        assert "rounds must be" in "".join(
            t for each in form.query_one("#notes", Paper).lines for t, _ in each
        )
        form.query_one("#field-rounds").value = "2"
        form.query_one("#field-proposer").value = "nobody:nothing"
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "nobody" in form._problem, seconds=30)
        assert len(sample.ledger.campaigns()) == 1
        await pilot.press("escape")
        assert isinstance(app.screen, QueueScreen)


async def test_a_clone_starts_with_the_same_settings(sample):
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        await ready(pilot, "queue")
        await pilot.press("c")
        form = app.screen
        assert isinstance(form, NewCampaign)
        assert form.query_one("#field-budget_usd").value == "5"
        assert form.query_one("#field-proposer").value == "scripted:demo"


# --- run -----------------------------------------------------------------------------------


async def test_a_run_shows_steps_effect_agent_and_output(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await ready(pilot, "run")
        await until(
            pilot, lambda: "candidate" in screen_text(app) and "step=300" in screen_text(app)
        )
        text = screen_text(app)
        for word in (
            "promoted",
            "refuted",
            "not admitted",
            "gate",
            "confirm 1",
            "scored",
            "Training: loss",
            "submitted",
        ):
            assert word in text, word
        assert step_strip(screen.round_view) == "●●●●●●●●●▲··"


async def test_a_run_grows_as_the_ledger_does_and_follows_the_newest_round(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await ready(pilot, "run")
        await until(pilot, lambda: len(screen.table.ids) == 5)
        assert screen.table.current_id.endswith("0005")
        sample.tick()
        sample.ledger.add_round(
            RoundRecord(
                id="c1120-4f2a-0006",
                campaign_id="c1120-4f2a",
                number=6,
                champion_commit="a" * 40,
                created_at=sample.tick(),
            )
        )
        await until(pilot, lambda: len(screen.table.ids) == 6)
        assert screen.table.current_id.endswith("0006")
        await pilot.press("k", "k")
        sample.ledger.add_round(
            RoundRecord(
                id="c1120-4f2a-0007",
                campaign_id="c1120-4f2a",
                number=7,
                champion_commit="a" * 40,
                created_at=sample.tick(),
            )
        )
        await until(pilot, lambda: len(screen.table.ids) == 7)
        assert screen.table.current_id.endswith("0004"), (
            "a person who looks elsewhere is left there"
        )


async def test_a_message_and_a_budget_reach_the_ledger(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=(100, 30)) as pilot:
        await ready(pilot, "run")
        await until(pilot, lambda: app.view.campaign is not None)
        await pilot.press("i", *"try a smaller batch", "enter")
        await until(pilot, lambda: len(sample.ledger.requests()) == 1)
        await pilot.press("b")
        assert isinstance(app.screen, AskText)
        await pilot.press("backspace", *"-3", "enter")
        await pilot.press("b", "backspace", *"7.5", "enter")
        await until(pilot, lambda: len(sample.ledger.requests()) == 2)
        message, budget = sample.ledger.requests()
        assert (message.kind, message.payload.text) == (
            RequestKind.MESSAGE,
            "try a smaller batch",
        )
        assert (budget.kind, budget.payload.limits["budget_usd"]) == (RequestKind.BUDGET, 7.5)


async def test_a_silent_worker_is_said_in_words(template, tmp_path):
    shutil.copytree(template, tmp_path / "home")
    sample = Sample(tmp_path / "home")
    sample.worker(at=START)
    app = cockpit(sample, now=lambda: START + timedelta(minutes=5))
    async with app.run_test(size=(100, 30)) as pilot:
        await ready(pilot, "queue")
        await until(pilot, lambda: "no heartbeat" in screen_text(app))
        assert "worker ok" not in screen_text(app)


async def test_a_ledger_that_cannot_be_read_is_said_and_the_last_view_stays(sample):
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        await ready(pilot, "queue")
        place = sample.home.ledger_path
        hidden = place.with_suffix(".away")
        sample.ledger.close()
        place.rename(hidden)
        await until(pilot, lambda: bool(app.view.problem), seconds=20)
        await pilot.pause()
        assert "ledger cannot be read" in screen_text(app)
        assert "c1120-4f2a" in screen_text(app)
        sample.ledger.close()
        place.unlink(missing_ok=True)
        hidden.rename(place)
        await until(pilot, lambda: not app.view.problem, seconds=20)


# --- lineage, notebook, controls, settings -------------------------------------------------


async def test_the_lineage_shows_tree_leaderboard_and_diffs(sample):
    app = cockpit(sample, "lineage")
    async with app.run_test(size=(140, 30)) as pilot:
        screen = await ready(pilot, "lineage")
        await until(pilot, lambda: len(screen.tree_table.ids) == 6)
        text = screen_text(app)
        assert "◆ champion" in text
        assert "no gain or refused below" in text
        await pilot.press("j", "j", "d")
        await until(pilot, lambda: isinstance(app.screen, DiffDialogue))
        await pilot.pause()
        assert "next_batch" in screen_text(app)
        await pilot.press("escape", "space", "j", "space")
        assert len(screen.tree_table.marked) == 2
        await pilot.press("equals_sign")
        await until(pilot, lambda: isinstance(app.screen, DiffDialogue))
        await pilot.press("q")
        await pilot.press("g", "B")
        assert isinstance(app.screen, AskText)
        await pilot.press(*"it broke", "enter")
        await until(pilot, lambda: len(sample.ledger.promotions()) == 2)
        assert sample.lineage.champion() == sample.lineage.baseline()
        assert sample.ledger.promotions()[-1].reason == "it broke"


async def test_the_notebook_is_searched_by_every_word(sample):
    app = cockpit(sample, "notebook")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await ready(pilot, "notebook")
        await until(pilot, lambda: len(screen.table.ids) == 5)
        await pilot.press("slash", *"refuted compile", "enter")
        assert list(screen.table.ids) == ["c1120-4f2a-0004"]
        assert "Compiling costs more" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.mode == "replay")


async def test_settings_are_changed_kept_and_taken_over(sample):
    app = cockpit(sample, "settings")
    async with app.run_test(size=(100, 40)) as pilot:
        screen = await ready(pilot, "settings")
        assert isinstance(screen, SettingsScreen)
        await pilot.press("enter")
        assert app.theme == "rsi-light"
        assert load_settings(settings_path(sample.home.root)).theme == "rsi-light"
        screen.table.select_id("queue.new")
        await pilot.press("enter", "backspace", *"ctrl+n", "enter")
        assert load_settings(settings_path(sample.home.root)).keys == {"queue.new": "ctrl+n"}
        await pilot.press("1", "n")
        assert isinstance(app.screen, QueueScreen), "the old key is free"
        await pilot.press("ctrl+n")
        assert isinstance(app.screen, NewCampaign)
        await pilot.press("escape", "8")
        screen.table.select_id("gate.approve")
        await pilot.press("enter", "backspace", "r", "enter")
        await pilot.pause()
        assert "gate.approve" not in app.settings.keys, "a key that is taken is refused"


async def test_the_theme_key_goes_round_and_zoom_fills_the_screen(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await ready(pilot, "run")
        assert isinstance(screen, RunScreen)
        seen = set()
        for _ in range(3):
            await pilot.press("T")
            await pilot.pause()
            seen.add(app.theme)
            screen_text(app)
        assert seen == {"rsi-dark", "rsi-light", "rsi-mono"}
        await pilot.press("tab", "z")
        assert screen.maximized is not None
        await pilot.press("escape")
        assert screen.maximized is None


@pytest.mark.parametrize("mode", [each.value for each in SCREENS.values()])
async def test_whatever_is_zoomed_is_as_wide_as_the_screen(sample, mode):
    """A pane has a width of its own beside others, which must not hold when it stands alone."""
    app = cockpit(sample, mode)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await ready(pilot, mode)
        panes = [each for each in screen.focus_chain if each.allow_maximize]
        assert panes
        for pane in panes:
            pane.focus()
            await pilot.press("z")
            await pilot.pause()
            assert screen.maximized is not None
            assert abs(screen.maximized.outer_size.width - app.size.width) <= 2, screen.maximized
            await pilot.press("z")


def test_a_tree_holds_every_candidate_below_its_champion(sample):
    views = [round_view(each, sample.ledger.steps(each.id), sample.ledger.decisions(each.id),
                        sample.ledger.promotions(round_id=each.id)) for each in sample.ledger.rounds("c1120-4f2a")]  # fmt: skip
    rows = tree_rows(views, sample.ledger.promotions())
    assert [row.view.record.number if row.view else 0 for row in rows] == [0, 1, 2, 3, 4, 5]
    assert [row.prefix for row in rows] == ["", "├─ ", "", "├─ ", "├─ ", "└─ "]
    places = leaderboard(views, minimum_effect=0.02)
    assert [(each.place, each.view.record.number) for each in places] == [
        (1, 5),
        (2, 2),
        (None, 1),
        (None, 4),
    ]


def test_where_nothing_ran_no_stage_is_named():
    assert time_lines(()) == [line("No step has finished yet.", Role.DIM)]


def test_waiting_is_counted_from_the_end_of_the_review_and_not_from_the_step_that_follows_it(
    sample,
):
    promoted = sample.ledger.round("c1120-4f2a-0002")
    view = round_view(promoted, sample.ledger.steps(promoted.id), (), ())
    found = stage_times([view.steps])
    assert found[0].stage is Stage.WAIT
    assert found[0].wall_s == pytest.approx(90)
    text = "\n".join("".join(part for part, _ in each) for each in time_lines(found))
    assert re.search(r"wait for a decision +█+ 90 s .*← bottleneck", text)


async def test_an_ended_campaign_can_be_asked_for_nothing_but_requeueing(sample):
    sample.ledger.add_campaign_event(
        CampaignEvent(campaign_id="c1120-4f2a", kind=CampaignEventKind.STOPPED, at=sample.tick())
    )
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await ready(pilot, "queue")
        await until(
            pilot, lambda: screen.steered is not None and screen.steered.state.value == "stopped"
        )
        await pilot.press("p", "x")
        assert app.screen is screen
        await pilot.press("R")
        await say_yes(pilot)
        await until(pilot, lambda: len(sample.ledger.requests()) == 1)
        assert sample.ledger.requests()[0].kind is RequestKind.RETRY


async def test_escape_returns_to_where_a_round_was_opened_from_and_a_digit_forgets_the_way(sample):
    app = cockpit(sample)
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot, "queue")
        await pilot.press("6")
        await until(pilot, lambda: app.screen.mode == "notebook" and app.screen.table.ids)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.mode == "replay")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.mode == "notebook")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.mode == "replay")
        await pilot.press("7")
        await until(pilot, lambda: app.screen.mode == "controls")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.mode == "queue")


async def test_the_queue_tells_each_round_of_the_chosen_campaign_in_a_sentence(sample):
    app = cockpit(sample)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, "queue")
        await until(pilot, lambda: "Refused because it is slower" in screen_text(app))
        assert "champion" in screen_text(app), "what the pane at the right says first"
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: "About" in screen_text(app))
        await until(pilot, lambda: screen_text(app).count("champion  ") == 1)
    empty = Sample(sample.home.root.parent / "empty")
    app = cockpit(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No campaigns yet." in screen_text(app))
        assert "Rounds" not in screen_text(app)
