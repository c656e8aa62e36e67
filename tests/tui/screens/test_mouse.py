"""What a person tries with a mouse works: choosing, scrolling, selecting text and copying it, answering a question."""

import time

import pytest
from tests.tui.conftest import screen_text, until
from textual import events
from textual.geometry import Offset
from textual.selection import Selection
from textual.strip import Strip

from rsi.tui.app import CockpitApp
from rsi.tui.screens.dialogues.asking import AskText, Confirm
from rsi.tui.widgets.logview import LogView
from rsi.tui.widgets.selecting import selected_text

pytestmark = pytest.mark.slow


async def drag(pilot, widget, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Move over a widget, press, move, let go."""
    await pilot.hover(widget, offset=start)
    await pilot.pause()
    await pilot.mouse_down(widget, offset=start)
    await pilot.hover(widget, offset=end)
    await pilot.pause()
    await pilot.mouse_up(widget, offset=end)
    await pilot.pause()


async def opened(pilot, mode: str):
    await until(pilot, lambda: getattr(pilot.app.screen, "mode", "") == mode)
    return pilot.app.screen


async def test_what_is_selected_of_a_diff_is_copied_and_chooses_no_line(sample):
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="gate")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await opened(pilot, "gate")
        await until(pilot, lambda: screen.diff.hunk_count > 0)
        await drag(pilot, screen.diff, (1, 1), (40, 3))
        copied = screen.get_selected_text()
        lines = copied.split("\n")
        assert len(lines) == 3
        assert lines[0].startswith("loader.py +")
        assert "import torch" in lines[2]
        assert screen.diff.cursor == 0
        await pilot.press("y")
        assert app.clipboard == copied
        await pilot.click(screen.diff, offset=(3, 4))
        assert screen.get_selected_text() is None
        assert screen.diff.cursor == 3, "a click chooses a line, and takes the selection away"
        await pilot.press("y")
        assert app.clipboard == "c1120-4f2a-0005"


async def test_what_is_copied_of_hostile_output_is_what_was_seen(sample):
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="run")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await opened(pilot, "run")
        log = screen.query_one("#log", LogView)
        await until(pilot, lambda: log.line_count() > 3)
        log.set_text("one\n\x1b]52;c;ZXZpbA==\x07 字字 two\x9b2J\nthree")
        await pilot.pause()
        await drag(pilot, log, (0, 1), (40, 3))
        await pilot.press("y")
        assert "two" in app.clipboard
        assert all(each == "\n" or each.isprintable() for each in app.clipboard), repr(
            app.clipboard
        )


def test_a_selection_is_cut_by_cells():
    rows = [Strip([]), Strip.blank(4)]
    assert selected_text(Selection(None, None), 2, rows.__getitem__) == "\n"
    assert selected_text(Selection(Offset(0, 5), Offset(3, 9)), 2, rows.__getitem__) == ""


async def test_the_wheel_scrolls_and_a_double_click_opens(sample):
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="gate")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, "gate")
        await until(pilot, lambda: screen.diff.max_scroll_y > 3)
        screen.diff.post_message(events.MouseScrollDown(screen.diff, 3, 3, 0, 0, 0, False, False, False))  # fmt: skip
        await until(pilot, lambda: screen.diff.scroll_offset.y > 0)
        await pilot.press("5")
        screen = await opened(pilot, "lineage")
        await until(pilot, lambda: len(screen.tree_table.ids) == 6)
        await pilot.click(screen.tree_table, offset=(5, 4), times=2)
        await opened(pilot, "replay")


async def test_a_question_is_answered_with_the_mouse_but_not_by_a_click_that_was_on_its_way(sample):
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="run", campaign_id="c1120-4f2a")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot, "run")
        await until(pilot, lambda: screen.campaign is not None)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        hint = app.screen.query_one("#hint")
        app.screen._opened_s = time.monotonic() + 60
        await pilot.click(hint, offset=(0, 0))
        assert isinstance(app.screen, Confirm), "too soon"
        app.screen._opened_s = time.monotonic() - 1
        await pilot.click(hint, offset=(2, 0))
        await until(pilot, lambda: app.screen is screen)
        await until(pilot, lambda: any(each.kind == "stop" for each in sample.ledger.requests()))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Confirm) and app.screen.is_settled)
        at = "".join(text for text, _ in app.screen.query_one("#hint").lines[0]).index("esc")
        await pilot.click(app.screen.query_one("#hint"), offset=(at + 1, 0))
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        await pilot.press(*"hello")
        await pilot.click(app.screen.query_one("#hint"), offset=(1, 0))
        await until(pilot, lambda: any(each.kind == "message" for each in sample.ledger.requests()))
        assert "hello" not in screen_text(app)


async def click_head(pilot, table, title: str) -> None:
    """Click on the head of a column."""
    head = "".join(text for text, _ in table.sticky_lines()[-1])
    await pilot.click(table, offset=(head.index(title), table.sticky_count - 1))
    await pilot.pause()


async def test_a_click_on_a_columns_head_sorts_by_it_and_a_second_one_takes_it_back(sample):
    app = CockpitApp(sample.ledger, home=sample.home)
    async with app.run_test(size=(160, 36)) as pilot:
        screen = await opened(pilot, "queue")
        await until(pilot, lambda: screen.table.ids)
        for title, name in (
            ("cost", "dearest first"),
            ("task", "by task"),
            ("gain", "largest gain"),
        ):
            await click_head(pilot, screen.table, title)
            await until(pilot, lambda name=name: name in screen_text(app))
        await click_head(pilot, screen.table, "gain")
        await until(pilot, lambda: "newest first" in screen_text(app))
        await pilot.press("5")
        board = await opened(pilot, "lineage")
        await until(pilot, lambda: board.board_table.ids)
        await click_head(pilot, board.board_table, "idea")
        await until(pilot, lambda: "newest first" in screen_text(app))
        await click_head(pilot, board.board_table, "effect")
        await until(pilot, lambda: "surest first" in screen_text(app))
