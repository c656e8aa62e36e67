"""What somebody who does not know the project reads: totals with their unit, what is below the fold, the way back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import Sample
from tests.tui.screens.test_at_ease import cockpit, flat, footer, ready
from tests.tui.terminals import Terminal

from rsi.agent.report.reasons import reason_line
from rsi.tui.draw.styled import line
from rsi.tui.screens.lineage import _not_drawn
from rsi.tui.widgets.paper import Choices

pytestmark = pytest.mark.slow

CRASH = (
    "crashed in 2 of 2 runs: exit status 1: Traceback (most recent call last):\n"
    '  File "train.py", line 3, in <module>\n    train()\nTypeError: train() misses one argument\n'
)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("queue", "device 384 s"),
        ("lineage", "cost 384 device s"),
        ("run", "384 device s"),
    ],
)
async def test_device_seconds_are_added_up_where_cost_is_shown(sample, mode, said):
    app = cockpit(sample, mode)
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot, mode)
        await until(pilot, lambda: said in flat(app))
        await pilot.press("question_mark")
        await pilot.press("G")
        await until(pilot, lambda: "A device second is one second in which" in flat(app))


def test_of_a_crash_the_message_is_said_and_not_the_way_there():
    assert reason_line(CRASH) == (
        "crashed in 2 of 2 runs: exit status 1: TypeError: train() misses one argument"
    )
    assert reason_line("the interval lies above 1.02") == "the interval lies above 1.02"
    assert reason_line("exit status 1: KeyError: 'x'") == "exit status 1: KeyError: 'x'"


async def test_what_lies_below_the_fold_of_the_case_is_named(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await ready(pilot, "gate")
        await until(pilot, lambda: "more below: critic, its risk" in screen_text(app))
        case = screen.query_one("#case")
        case.focus()
        await pilot.press("G")
        await until(pilot, lambda: "more below" not in screen_text(app))


async def test_the_tree_says_which_rounds_it_leaves_out(sample):
    app = cockpit(sample, "lineage")
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot, "lineage")
        await until(pilot, lambda: "training_cpu, s: before → after" in screen_text(app))
        await until(pilot, lambda: app.view.lineage)
        assert _not_drawn(app.view.lineage) == ()
        without = replace(app.view.lineage[0], latest=replace(app.view.lineage[0].latest, steps={}))
        assert _not_drawn([without])[0][0] == "not here: 1 round without code"


async def test_a_footer_without_rights_offers_nothing_that_needs_them(sample):
    app = cockpit(sample, "gate", is_read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot, "gate")
        await until(pilot, lambda: "read on" in footer(app))
        assert not {"approve", "reject", "send"} & set(footer(app).split())


def at(app) -> str:
    """The screen in front; "" for the moment in which screens change."""
    return getattr(app.screen_behind_dialogues, "mode", "")


async def test_escape_at_the_gate_goes_back_to_where_one_came_from(sample):
    app = cockpit(sample, "lineage")
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot, "lineage")
        await pilot.press("3")
        await until(pilot, lambda: at(app) == "gate")
        await pilot.press("3")
        await pilot.press("escape")
        await until(pilot, lambda: at(app) == "lineage")


async def test_a_round_on_queue_is_opened_by_enter_and_by_a_second_click(sample):
    app = cockpit(sample, "queue")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await ready(pilot, "queue")
        pane = screen.query_one("#queue-rounds", Choices)
        await until(pilot, lambda: pane.current_id is not None)
        pane.focus()
        await pilot.press("j")
        assert pane.current_id == "c1120-4f2a-0004"
        await pilot.press("k")
        assert pane.current_id == "c1120-4f2a-0005"
        await pilot.press("j", "enter")
        await until(pilot, lambda: app.screen.mode == "replay")
        assert app.round_id == "c1120-4f2a-0004"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.mode == "queue")
        rows = screen_text(app).splitlines()
        y = next(at for at, row in enumerate(rows) if row.startswith("  2  ✔"))
        await pilot.click(offset=(10, y))
        assert app.screen.mode == "queue", "the first click chooses"
        assert pane.current_id == "c1120-4f2a-0002"
        await pilot.pause(0.6)
        await pilot.click(offset=(10, y + 1))
        await until(pilot, lambda: app.screen.mode == "replay")
        assert app.round_id == "c1120-4f2a-0002"


async def test_the_round_under_the_cursor_stays_when_another_comes(sample):
    app = cockpit(sample, "queue")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await ready(pilot, "queue")
        pane = screen.query_one("#queue-rounds", Choices)
        await until(pilot, lambda: pane.current_id is not None)
        pane.focus()
        await pilot.press("j", "j")
        chosen, before = pane.current_id, pane.cursor
        pane.set_choices([("new", line("a new round")), *zip(pane._ids, pane.lines, strict=True)])
        assert pane.current_id == chosen
        assert pane.cursor == before + 1


async def test_waiting_for_a_person_is_told_from_running(sample: Sample):
    now = sample.ledger.steps("c1120-4f2a-0005")[-1].started_at + timedelta(seconds=100)
    app = cockpit(sample, "queue", now=lambda: now)
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot, "queue")
        await until(pilot, lambda: "waits 69 s for you" in flat(app))
        assert "● running" not in screen_text(app)
        assert " 0 running " in screen_text(app)
        assert " changed" not in screen_text(app)


def test_a_terminal_says_that_the_cockpit_opens_before_it_is_painted(sample: Sample):
    terminal = Terminal(sample.home.root)
    try:
        terminal.wait_for("c1120-4f2a")
    finally:
        assert terminal.close() == 0
    said, painted = terminal.raw.find(b"opening the cockpit"), terminal.raw.find(b"\x1b[?1049h")
    assert 0 <= said < painted
    assert b"\r\x1b[K" in terminal.raw[said:painted], "the line is taken back"


async def test_the_rows_that_the_rounds_do_not_need_say_where_the_time_went(sample):
    app = cockpit(sample, "queue")
    async with app.run_test(size=(200, 50)) as pilot:
        await ready(pilot, "queue")
        await until(pilot, lambda: "where the time goes" in screen_text(app))
        assert "Champion over rounds" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "where the time goes" not in screen_text(app))
        await until(pilot, lambda: "Refused because it is slower" in flat(app))


@pytest.mark.parametrize("size", [(120, 36), (200, 50)])
async def test_the_rows_that_the_tree_does_not_need_hold_the_case_under_the_cursor(sample, size):
    app = cockpit(sample, "lineage")
    async with app.run_test(size=size) as pilot:
        screen = await ready(pilot, "lineage")
        await until(pilot, lambda: "─ Champion ─" in screen_text(app))
        await until(pilot, lambda: "Promoted by ada" in flat(app))
        await pilot.press("G")
        await until(pilot, lambda: "Waits for a decision: 1.84 times as fast" in flat(app))
        assert "─ Candidate ─" in screen_text(app)
        rows = screen.tree_table.size.height
        assert rows >= screen.tree_table.line_count() + 2, "the tree is whole"
        blank = sum(not each.strip() for each in screen_text(app).splitlines())
        assert blank <= size[1] // 2, "no screen is half empty"


async def test_the_notebook_shows_what_a_lesson_rests_on(sample):
    app = cockpit(sample, "notebook")
    async with app.run_test(size=(120, 36)) as pilot:
        await ready(pilot, "notebook")
        await until(pilot, lambda: "4 pairs, 0 not counted" in flat(app))
