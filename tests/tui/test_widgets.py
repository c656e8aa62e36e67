"""Widgets cost what they show, keep their cursor, and say what was seen."""

import time

import pytest
from tests.tui.conftest import screen_text, until
from textual.app import App, ComposeResult

from rsi.evals.types import Interval
from rsi.tui.draw.styled import Role
from rsi.tui.draw.theme import textual_themes
from rsi.tui.model.curves import Series
from rsi.tui.model.diffs import diff_to_show
from rsi.tui.model.pairs import PairPoint
from rsi.tui.widgets.curveview import CurveView
from rsi.tui.widgets.diffrows import Note
from rsi.tui.widgets.diffview import DiffView
from rsi.tui.widgets.effectview import EffectView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.logview import LogView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.sightings import LOOK_EVERY_S, SEEN_AFTER_S
from rsi.tui.widgets.vtable import Column, VTable

LOOKED_S = SEEN_AFTER_S + 3 * LOOK_EVERY_S
"""After this, what is on the screen counts as seen."""

SLACK = 5
"""Budgets are judged by benchmarks/tui.py on a quiet machine; a test only catches a slip of another order."""


class Stage(App[None]):
    """One widget on an empty stage."""

    def __init__(self, widget: LinesView) -> None:
        super().__init__()
        self.widget = widget
        self.seen: list[object] = []
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = "rsi-dark"

    def compose(self) -> ComposeResult:
        yield self.widget

    def on_mount(self) -> None:
        self.widget.focus()

    def on_lines_view_cursor_moved(self, event: LinesView.CursorMoved) -> None:
        self.seen.append(event.index)

    def on_diff_view_seen_changed(self) -> None:
        self.seen.append("seen")


def table() -> VTable:
    return VTable(
        (
            Column(title="id", width=6),
            Column(title="name", min_width=6),
            Column(title="far", width=30, priority=2),
        )
    )


def fill(widget: VTable, ids: list[str]) -> None:
    widget.set_rows(
        ids,
        lambda index: ((ids[index], Role.DIM), (f"name {ids[index]}", Role.TEXT), ("x", Role.TEXT)),
    )


async def test_ten_thousand_rows_are_listed_in_a_tenth_of_a_second_of_work():
    app = Stage(table())
    async with app.run_test(size=(100, 40)) as pilot:
        ids = [f"r{number}" for number in range(10_000)]
        started = time.process_time()
        fill(app.widget, ids)
        await pilot.pause()
        assert time.process_time() - started < 0.1 * SLACK
        await pilot.press("G")
        assert app.widget.current_id == "r9999"
        assert "r9999" in screen_text(app)
        await pilot.press("g", "j", "j", "k", "ctrl+d")
        assert app.widget.current_id == "r39"
        started = time.process_time()
        for _ in range(10):
            await pilot.press("j")
        assert (time.process_time() - started) / 10 < 0.03 * SLACK


async def test_the_cursor_stays_on_its_row_when_rows_change_around_it():
    app = Stage(table())
    async with app.run_test(size=(60, 10)) as pilot:
        fill(app.widget, [f"r{n}" for n in range(50)])
        await pilot.press("j", "j", "j")
        assert app.widget.current_id == "r3"
        fill(app.widget, ["new1", "new2", *(f"r{n}" for n in range(50))])
        assert app.widget.current_id == "r3"
        fill(app.widget, ["r9"])
        assert app.widget.current_id == "r9"
        fill(app.widget, [])
        assert app.widget.current_id is None
        await pilot.press("j", "k", "g", "G", "ctrl+d")


@pytest.mark.slow
async def test_narrow_tables_leave_out_the_least_important_column():
    app = Stage(table())
    async with app.run_test(size=(30, 6)) as pilot:
        fill(app.widget, ["a"])
        await pilot.pause()
        assert "far" not in screen_text(app)
        await pilot.resize_terminal(90, 6)
        await pilot.pause()
        assert "far" in screen_text(app)


async def test_an_empty_list_says_what_to_do():
    app = Stage(table())
    app.widget.empty = ((("Nothing here. ", Role.TEXT), ("n", Role.KEY), (" adds one", Role.TEXT)),)
    async with app.run_test(size=(60, 6)) as pilot:
        await pilot.pause()
        assert "n adds one" in screen_text(app)


@pytest.mark.slow
async def test_a_click_moves_the_cursor():
    app = Stage(table())
    async with app.run_test(size=(60, 10)) as pilot:
        fill(app.widget, [f"r{n}" for n in range(5)])
        await pilot.pause()
        await pilot.click(app.widget, offset=(3, 3))
        assert app.widget.current_id == "r2"


async def test_a_log_follows_until_the_person_scrolls_up():
    app = Stage(LogView())
    async with app.run_test(size=(40, 10)) as pilot:
        log = app.widget
        log.append("".join(f"line {n}\n" for n in range(100)))
        await pilot.pause()
        assert "line 99" in screen_text(app)
        await pilot.press("k")
        log.append("line 100\n")
        await pilot.pause()
        assert "line 100" not in screen_text(app)
        await pilot.press("f")
        await pilot.pause()
        assert "line 100" in screen_text(app)


async def test_a_log_joins_pieces_and_filters():
    app = Stage(LogView())
    async with app.run_test(size=(40, 10)) as pilot:
        log = app.widget
        log.append("one\ntw")
        log.append("o\nthree\n\x1b[31mred\x1b[0m\n")
        await pilot.pause()
        assert screen_text(app).split("\n")[:4] == ["one", "two", "three", "red"]
        log.set_filter("t")
        await pilot.pause()
        assert screen_text(app).split("\n")[:3] == ["two", "three", ""]
        log.append("tail\nno\n")
        assert log.line_count() == 3
        log.set_filter("!t")
        assert log.line_count() == 3
        log.set_filter("[")
        assert log.line_count() == 1, (
            "a broken pattern is taken literally; the colour request holds one"
        )
        log.set_filter("")
        assert log.line_count() == 6


async def test_a_hundred_thousand_log_lines_stay_quick():
    app = Stage(LogView())
    async with app.run_test(size=(100, 40)) as pilot:
        started = time.process_time()
        app.widget.append_lines([f"step={n} loss=1" for n in range(100_000)])
        await pilot.pause()
        assert time.process_time() - started < 0.2 * SLACK


LONG = "\n".join(f"+line {n}" for n in range(60))
DIFF = f"""diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1,2 +1,3 @@ def f():
 x = 1
-y = 2
+y = 3 # \u202e evil
+z = "{"w" * 100}"
@@ -50,0 +52,60 @@
{LONG}
diff --git a/b.bin b/b.bin
Binary files a/b.bin and b/b.bin differ
"""


async def test_a_hunk_is_seen_only_when_every_row_was_on_the_screen():
    app = Stage(DiffView())
    async with app.run_test(size=(60, 20)) as pilot:
        view = app.widget
        view.set_diff(diff_to_show(DIFF), key="one")
        await until(pilot, lambda: (view.hunk_count, view.seen_count) == (3, 1))
        await pilot.press("G")
        await until(pilot, lambda: view.seen_count == 2)
        await pilot.press("ctrl+u")
        await pilot.pause(LOOKED_S)
        assert not view.is_all_seen, "jumping over the middle of the long hunk does not count"
        await until(pilot, lambda: view.is_all_seen, each=view.show_unseen)
        view.set_diff(diff_to_show(DIFF), key="another commit")
        assert view.seen_count == 0, "what was seen is bound to what was shown"
        await until(pilot, lambda: view.seen_count == 1)


@pytest.mark.slow
async def test_what_was_seen_survives_another_layout_unless_that_says_something_new():
    app = Stage(DiffView())
    async with app.run_test(size=(100, 20)) as pilot:
        view = app.widget
        view.set_diff(diff_to_show(DIFF), key="one")
        await until(pilot, lambda: view.is_all_seen, each=view.show_unseen)
        await pilot.press("g", "v")
        await pilot.pause()
        assert view.is_split
        assert view.is_all_seen
        await pilot.press("G")
        note = Note(file="a.py", line=2, text="look here", role=Role.WARN)
        view.set_diff(diff_to_show(DIFF), key="one", notes=[note])
        await pilot.pause(LOOKED_S)
        assert not view.is_all_seen, "a remark came that was not on the screen"


async def test_a_diff_wraps_long_lines_and_shows_hidden_characters():
    app = Stage(DiffView())
    async with app.run_test(size=(60, 20)) as pilot:
        app.widget.set_diff(
            diff_to_show(DIFF),
            key="one",
            notes=[Note(file="a.py", line=2, text="look here", role=Role.WARN)],
        )
        await pilot.pause()
        text = screen_text(app)
        assert "⟦U+202E⟧" in text
        assert "↳" in text
        assert "▲ look here" in text
        assert text.replace("\n", "").replace(" ", "").replace("↳", "").count("w") >= 100


async def test_hunks_files_and_findings_are_reached_by_keys():
    app = Stage(DiffView())
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.widget
        view.set_diff(diff_to_show(DIFF), key="one")
        await pilot.press("right_square_bracket")
        assert view.current_hunk == 1
        await pilot.press("right_curly_bracket")
        assert view.current_hunk == 2
        await pilot.press("left_curly_bracket")
        assert view.current_hunk == 0
        assert view.jump_to("a.py", 60)
        assert view.current_hunk == 1
        assert not view.jump_to("other.py", 1)
        await pilot.press("v")
        await pilot.pause()
        assert view.is_split
        assert "│" in screen_text(app)


@pytest.mark.slow
async def test_a_large_diff_opens_and_pages_quickly():
    body = "\n".join(f"+    value_{n} = compute(value_{n}, {n})" for n in range(3_000))
    text = f"diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -0,0 +1,3000 @@\n{body}\n"
    app = Stage(DiffView())
    async with app.run_test(size=(120, 40)) as pilot:
        diff = diff_to_show(text)
        app.widget.set_diff(diff, key=1)
        await pilot.pause()
        started = time.process_time()
        for _ in range(5):
            await pilot.press("ctrl+d")
        assert (time.process_time() - started) / 5 < 0.03 * SLACK


@pytest.mark.slow
async def test_curves_and_effects_draw_at_every_size():
    curve, effect = CurveView(heading="loss"), EffectView(heading="effect")
    for widget in (curve, effect):
        app = Stage(widget)
        async with app.run_test(size=(80, 20)) as pilot:
            nan = float("nan")
            if widget is curve:
                curve.set_series(
                    [Series(name="champion", xs=tuple(range(50)), ys=tuple(2.0 + n for n in range(50))),
                     Series(name="candidate", xs=(0.0, 1.0, 2.0), ys=(1.0, nan, 2.0))],
                )  # fmt: skip
            else:
                wide = Interval(estimate=1.2, low=0.01, high=90.0, confidence=0.95, pairs=2)
                effect.set_points(
                    [PairPoint(label="screen 1", purpose="screen", ratio=1.2, remark="", interval=None),
                     PairPoint(label="screen 2", purpose="screen", ratio=None, remark="candidate crashed", interval=None),
                     PairPoint(label="screen 3", purpose="screen", ratio=1.3, remark="", interval=wide)],
                    final=wide, least_ratio=1.02,
                )  # fmt: skip
            await pilot.press("L", "s", "left", "right")
            for width, height in ((80, 20), (30, 6), (12, 3), (200, 60)):
                await pilot.resize_terminal(width, height)
                await pilot.pause()
                screen_text(app)
            if widget is curve:
                assert "1 not a number" in screen_text(app)
            else:
                assert "candidate crashed" in screen_text(app)


@pytest.mark.slow
async def test_paper_wraps_again_when_the_terminal_changes():
    app = Stage(Paper(indent=2))
    async with app.run_test(size=(80, 10)) as pilot:
        app.widget.set_lines([(("word " * 30, Role.TEXT),)])
        await pilot.pause()
        lines = app.widget.line_count()
        await pilot.resize_terminal(30, 10)
        await pilot.pause()
        assert app.widget.line_count() > lines


@pytest.mark.slow
async def test_another_theme_repaints_with_its_colours():
    app = Stage(table())
    async with app.run_test(size=(60, 6)) as pilot:
        fill(app.widget, ["a"])
        await pilot.pause()
        dark = app.export_screenshot()
        app.theme = "rsi-light"
        await pilot.pause()
        assert app.export_screenshot() != dark
