"""What makes the cockpit easy for a newcomer: keys that say why they did nothing, words that fit, context that stays."""

import re
from datetime import timedelta

import pytest
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import IDEAS, Idea, Sample
from textual.widgets import Input

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import DecisionAction, RoundRecord, Step, StepOutcome
from rsi.tui.app import CockpitApp
from rsi.tui.draw.styled import Role, clip, width_of
from rsi.tui.draw.theme import DARK, LIGHT
from rsi.tui.lines.queue import step_after
from rsi.tui.log_follower import stream_words
from rsi.tui.model.commands import BY_ID, Scope, in_scope
from rsi.tui.reading.silence import SILENT_AFTER_S
from rsi.tui.screens.dialogues.asking import AskText
from rsi.tui.screens.queue import ABOUT_CELLS
from rsi.tui.widgets.sightings import SEEN_AFTER_S

pytestmark = pytest.mark.slow

CAMPAIGN = "c1120-4f2a"
NARROW = (80, 24)


def cockpit(sample: Sample, mode: str, **options) -> CockpitApp:
    return CockpitApp(sample.ledger, home=sample.home, first_mode=mode, **options)


async def ready(pilot, mode: str):
    await until(
        pilot,
        lambda: pilot.app.view.campaign is not None and getattr(pilot.app.screen, "mode", "") == mode,
    )  # fmt: skip
    return pilot.app.screen


def flat(app: CockpitApp) -> str:
    """The screen's words with single spaces, whatever wraps."""
    return " ".join(screen_text(app).split())


def footer(app: CockpitApp) -> str:
    return screen_text(app).splitlines()[-1]


# --- keys ----------------------------------------------------------------------------------


async def test_a_key_that_does_nothing_now_says_why_and_covers_nothing(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=NARROW, notifications=True) as pilot:
        screen = await ready(pilot, "gate")
        await until(pilot, lambda: screen.diff.hunk_count > 0)
        await pilot.press("a")
        await until(
            pilot, lambda: "Approve: 2 of 2 hunks not seen yet; space reads on" in flat(app)
        )
        assert not app._notifications, "a toast would cover the code"
        screen._hint_until_s = 0.0
        screen.draw_bars()
        assert "worker ok" in flat(app)


@pytest.mark.parametrize(
    ("mode", "key", "why"),
    [
        ("lineage", "equals_sign", "Compare: mark two candidates first, with space"),
        ("lineage", "d", "Diff: the baseline has no round"),
        ("replay", "n", "Next match: search for something first, with /"),
        ("queue", "K", "Sooner: it does not wait in the queue"),
    ],
)
async def test_the_reason_is_of_the_screen(sample, mode, key, why):
    app = cockpit(sample, mode)
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot, mode)
        await until(pilot, lambda: bool(app.view.lineage) or mode != "lineage")
        await pilot.pause(0.2)
        await pilot.press(key)
        await until(pilot, lambda: why in flat(app))


async def test_what_writes_says_that_this_cockpit_only_looks(sample):
    app = cockpit(sample, "queue", is_read_only=True)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot, "queue")
        await pilot.press("x")
        await until(pilot, lambda: "Stop: this cockpit is read-only" in flat(app))


async def test_space_reads_on_until_every_hunk_was_seen(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=NARROW) as pilot:
        screen = await ready(pilot, "gate")
        await until(pilot, lambda: screen.diff.hunk_count > 0)
        await until(pilot, lambda: "of 2 hunks, " in flat(app))
        await pilot.press("tab")
        before = left_to_read(app)
        await pilot.press("space")
        await until(pilot, lambda: left_to_read(app) < before)
        for _ in range(8):
            await pilot.press("space")
            await pilot.pause(2 * SEEN_AFTER_S)
        assert screen.diff.is_all_seen
        await until(pilot, lambda: "approve: ready" in flat(app))


def left_to_read(app: CockpitApp) -> int:
    found = re.search(r"(\d+) lines to go", flat(app))
    return int(found[1]) if found else 0


async def test_the_footer_has_room_for_the_help_on_every_screen(sample):
    app = cockpit(sample, "queue")
    async with app.run_test(size=NARROW) as pilot:
        for key in "12345678":
            await pilot.press(key)
            await pilot.pause(0.1)
            assert "? help" in footer(app), key


def test_what_is_not_possible_can_still_be_read():
    for palette in (DARK, LIGHT):
        assert contrast(palette.off, palette.surface) > 2.3
        assert contrast(palette.off, palette.surface) < contrast(palette.dim, palette.surface)


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


# --- words that fit ------------------------------------------------------------------------


async def test_what_an_empty_pane_says_is_never_cut(tmp_path):
    home = Home(root=tmp_path / "home").create()
    with Ledger.open(home) as ledger:
        app = CockpitApp(ledger, home=home, first_mode="gate")
        async with app.run_test(size=NARROW) as pilot:
            await until(pilot, lambda: "nothing opens by itself." in flat(app))


async def test_an_empty_queue_offers_no_key_that_is_refused(tmp_path):
    home = Home(root=tmp_path / "home").create()
    with Ledger.open(home) as ledger:
        app = CockpitApp(ledger, home=home, is_read_only=True)
        async with app.run_test(size=NARROW) as pilot:
            await until(pilot, lambda: "No campaigns yet." in flat(app))
            assert "n queues one." not in flat(app)
            assert "this cockpit is read-only; rsi run queues one" in flat(app)


async def test_help_wraps_below_its_sentences(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot, "gate")
        await pilot.press("question_mark")
        await until(pilot, lambda: "Help: gate" in flat(app))
        lines = screen_text(app).splitlines()
        at = next(n for n, each in enumerate(lines) if "Read on" in each)
        begins = lines[at].index(BY_ID["gate.unseen"].help[:5])
        assert lines[at + 1].index("on the screen yet") == begins


def test_a_line_that_is_cut_says_so():
    spans = (("● worker ok ", Role.GOOD), ("· 1 running · 0 queued", Role.BAR))
    assert clip(spans, 80) == spans
    cut = clip(spans, 20)
    assert width_of(cut) == 20
    assert "".join(text for text, _ in cut) == "● worker ok · 1 run…"


async def test_the_spend_stays_where_there_is_little_room(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot, "run")
        await until(pilot, lambda: "$0.00 of $5.00" in flat(app))


async def test_an_inbox_of_one_leaves_a_narrow_screen_to_the_case(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=NARROW) as pilot:
        screen = await ready(pilot, "gate")
        await until(pilot, lambda: screen.diff.hunk_count > 0)
        assert not screen.inbox.display
        assert "waits" in flat(app)
        sample.play(sample.campaign("c1120-beef"), IDEAS[-1:])
        await until(pilot, lambda: screen.inbox.display and "doubts" in flat(app))


def test_a_stream_is_named_as_people_count():
    assert stream_words("confirm/0/candidate/2/stdout") == "confirm 3 candidate"
    assert stream_words("screen/1/champion/0-1/stderr") == "screen/1/champion/0-1/stderr"
    assert stream_words("screen/1/champion/0/stderr") == "screen 1 champion, attempt 2, stderr"
    assert stream_words("proposer/0") == "proposer/0"


# --- what is going on ----------------------------------------------------------------------


async def test_behind_a_question_stands_what_it_is_about(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await ready(pilot, "gate")
        await until(pilot, lambda: screen.diff.hunk_count > 0)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        await until(pilot, lambda: "The agent reads it" in flat(app))
        assert "loader.py" in flat(app)


def test_the_step_under_way_follows_the_last_that_ended():
    assert step_after(Step.ADMIT, StepOutcome.OK) is Step.MEASURE
    assert step_after(Step.SCORE, StepOutcome.REFUTED) is Step.REPORT
    assert step_after(Step.DECIDE, StepOutcome.REVISE) is Step.BRIEF
    assert step_after(Step.REPORT, StepOutcome.OK) is None


async def test_the_queue_names_the_step_under_way_and_a_long_silence(sample):
    sample.now -= timedelta(hours=1)
    record = sample.campaign("c1120-live")
    sample.play(record, (Idea(title="An idea", ends="propose"),))
    app = cockpit(sample, "queue")
    async with app.run_test(size=(120, 30)) as pilot:
        await ready(pilot, "queue")
        await until(pilot, lambda: "▸ Under way: step 3 of 12, propose" in flat(app))
        last = sample.now
        app._now = lambda: last + timedelta(seconds=SILENT_AFTER_S + 60)
        app.screen.table.refresh()
        await until(pilot, lambda: "▲ silent 11 m" in flat(app))


@pytest.mark.parametrize("columns", [80, 100, 115, 116, 200])
async def test_round_and_speedup_of_all_come_before_the_details_of_one(sample, columns):
    app = cockpit(sample, "queue")
    async with app.run_test(size=(columns, 30)) as pilot:
        screen = await ready(pilot, "queue")
        await until(pilot, lambda: "5/8" in flat(app) and "↑1.41" in flat(app))
        assert screen.query_one("#about").display is (columns >= ABOUT_CELLS)


async def test_the_signs_of_a_round_are_put_in_words(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=NARROW) as pilot:
        screen = await ready(pilot, "run")
        await until(pilot, lambda: "waits for you: enter opens the gate" in flat(app))
        await pilot.press("k")
        await until(pilot, lambda: "ended at step 8: score" in flat(app))
        assert screen.table.current_id == f"{CAMPAIGN}-0004"


async def test_who_reads_a_round_is_left_there_when_the_next_begins(sample):
    app = cockpit(sample, "replay")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await ready(pilot, "replay")
        await until(pilot, lambda: len(screen.store) == 16)
        await pilot.press("l", "l")
        sample._step(f"{CAMPAIGN}-0005", Step.REPORT)
        opened = RoundRecord(id=f"{CAMPAIGN}-0006", campaign_id=CAMPAIGN, number=6, champion_commit="a" * 40,
                             created_at=sample.tick())  # fmt: skip
        sample.ledger.add_round(opened)
        await until(pilot, lambda: len(app.view.campaign.rounds) == 6)
        await pilot.pause(0.2)
        assert (screen.round_id, screen.position) == (f"{CAMPAIGN}-0005", 2)
        await pilot.press("dollar_sign")
        await until(pilot, lambda: screen.round_id == opened.id)


async def test_a_setting_is_explained_in_full(sample):
    app = cockpit(sample, "settings")
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: getattr(app.screen, "mode", "") == "settings")
        await pilot.press("j", "j", "j", "j")
        await until(pilot, lambda: app.screen.item.text in flat(app))


async def test_an_empty_limit_says_what_it_means(sample):
    app = cockpit(sample, "queue")
    async with app.run_test(size=(100, 36)) as pilot:
        await ready(pilot, "queue")
        await pilot.press("n")
        await until(pilot, lambda: bool(app.screen.query("#field-budget_usd")))
        assert app.screen.query_one("#field-budget_usd", Input).placeholder == "no limit"
        await until(pilot, lambda: flat(app).count("no limit") >= 2)


async def test_the_palette_offers_first_what_can_be_done_here(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=(100, 36)) as pilot:
        screen = await ready(pilot, "gate")
        await until(pilot, lambda: screen.diff.hunk_count > 0)
        await pilot.press("colon")
        await until(pilot, lambda: "Reject (r)" in flat(app))
        own = [each.title for each in in_scope(Scope.GATE)]
        text = flat(app)
        assert all(text.index(f"{title} (") < text.index("Next hunk (") for title in own[2:4])


async def test_after_a_decision_nothing_of_the_candidate_stays(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=(160, 60)) as pilot:
        screen = await ready(pilot, "gate")
        await until(pilot, lambda: screen.diff.is_all_seen)
        await pilot.press("r", *"no", "enter")
        await until(pilot, lambda: not app.view.gate and "Nothing waits." in flat(app))
        assert "hunks" not in flat(app)
        assert sample.ledger.decisions(f"{CAMPAIGN}-0005")[-1].action is DecisionAction.REJECT
