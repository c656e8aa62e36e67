"""What counts as seen was painted, uncovered, long enough, at the size that the terminal has."""

import re

import pytest
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import FAST_TRAIN, Idea, Sample

from rsi.tui.app import CockpitApp
from rsi.tui.screens.gate import GateScreen
from rsi.tui.widgets.sightings import SEEN_AFTER_S, Sightings

NUMBERED = "\n".join(f"x{n} = {n}" for n in range(60)) + "\n" + FAST_TRAIN
_NUMBER = re.compile(r"\bx(\d+) = ")

WAYS = {
    "opened": ("gate", ()),
    "tab": ("queue", ("3",)),
    "next": ("notebook", ("exclamation_mark",)),
    "queue": ("queue", ("enter",)),
    "run": ("run", ("enter",)),
    "palette": ("lineage", ("ctrl+p", *"gate", "enter")),
    "back": ("gate", ("4", "3")),
    "zoomed": ("gate", ("z", "z")),
}
ROWS = (24, 33, 34, 36, 50)
FAST = {("run", 36)}


def lane(way, rows):
    """One way in is tried at every height, the others at the heights where most and least is hidden."""
    if (way, rows) in FAST:
        return ()
    return pytest.mark.slow if way == "run" or rows in (24, 36) else pytest.mark.exhaustive


CASES = [pytest.param(way, rows, marks=lane(way, rows)) for way in WAYS for rows in ROWS]


@pytest.fixture
def numbered(tmp_path):
    """A home whose candidate at the gate adds sixty lines, each with a number of its own."""
    sample = Sample(tmp_path / "home")
    idea = Idea(title="Many lines", ends="gate", ratio=1.5, files=(("train.py", NUMBERED),))
    sample.play(sample.campaign(), (idea,))
    sample.worker()
    yield sample
    sample.ledger.close()


def marked(diff) -> set[int]:
    """Numbers of the lines that count as seen."""
    found = set()
    for index, row in enumerate(diff._rows):
        number = _NUMBER.search("".join(text for text, _ in row.spans))
        if number and index not in diff._unseen[row.hunk]:
            found.add(int(number.group(1)))
    return found


def on_screen(app) -> set[int]:
    """Numbers of the lines that a person can read."""
    return {int(each) for each in _NUMBER.findall(screen_text(app))}


async def at_the_gate(pilot) -> GateScreen:
    await until(
        pilot,
        lambda: isinstance(pilot.app.screen, GateScreen) and pilot.app.screen.diff.hunk_count > 0,
    )
    return pilot.app.screen


@pytest.mark.parametrize(("way", "rows"), CASES)
async def test_only_what_can_be_read_is_marked_whichever_way_the_gate_was_entered(
    numbered, way, rows
):
    mode, keys = WAYS[way]
    app = CockpitApp(numbered.ledger, home=numbered.home, first_mode=mode)
    async with app.run_test(size=(120, rows)) as pilot:
        await until(pilot, lambda: app.view.campaign is not None)
        if mode in ("run", "gate"):
            await until(pilot, lambda: app.view.round is not None)
        await pilot.press(*keys)
        screen = await at_the_gate(pilot)
        await until(pilot, lambda: bool(marked(screen.diff)))
        await until(pilot, lambda: marked(screen.diff) >= on_screen(app))
        assert marked(screen.diff) == on_screen(app)
        assert not screen.diff.is_all_seen
        while not screen.diff.is_all_seen:
            before = marked(screen.diff)
            await pilot.press("space")
            await until(pilot, lambda: marked(screen.diff) >= on_screen(app))
            assert marked(screen.diff) <= before | on_screen(app)
            await pilot.pause(SEEN_AFTER_S)
        assert marked(screen.diff) == set(range(60))


@pytest.mark.slow
async def test_what_scrolls_by_is_not_seen(numbered):
    app = CockpitApp(numbered.ledger, home=numbered.home, first_mode="gate")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await at_the_gate(pilot)
        await pilot.press(*["ctrl+d"] * 12)
        assert screen.diff.scroll_offset.y == screen.diff.max_scroll_y
        await until(pilot, lambda: marked(screen.diff) >= on_screen(app))
        assert marked(screen.diff) == on_screen(app)
        assert "not seen" in screen.why_not_approve()


@pytest.mark.slow
async def test_another_size_of_the_terminal_forgets_what_was_seen(numbered):
    app = CockpitApp(numbered.ledger, home=numbered.home, first_mode="gate")
    async with app.run_test(size=(120, 120)) as pilot:
        screen = await at_the_gate(pilot)
        await until(pilot, lambda: not screen.why_not_approve())
        for size in ((120, 40), (90, 40), (120, 40)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: bool(screen.why_not_approve()))
            await until(pilot, lambda: marked(screen.diff) == on_screen(app) != set())
            assert on_screen(app) != set(range(60))
        await pilot.press("a")
        assert app.screen is screen


@pytest.mark.slow
async def test_what_a_toast_covers_is_not_seen_until_it_is_gone(numbered):
    app = CockpitApp(numbered.ledger, home=numbered.home, first_mode="queue")
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await until(pilot, lambda: bool(app.view.gate))
        app.notify("one\ntwo\nthree\nfour\nfive", timeout=3600)
        await pilot.press("3")
        screen = await at_the_gate(pilot)
        await until(pilot, lambda: len(screen.query("Toast")) == 1)
        await pilot.pause(2 * SEEN_AFTER_S)
        uncovered = marked(screen.diff)
        assert uncovered
        app.clear_notifications()
        await until(pilot, lambda: not screen.query("Toast"))
        await until(pilot, lambda: marked(screen.diff) == on_screen(app))
        assert len(uncovered) <= len(on_screen(app)) - 5


@pytest.mark.slow
async def test_nothing_is_seen_behind_a_dialogue(numbered):
    app = CockpitApp(numbered.ledger, home=numbered.home, first_mode="gate")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await at_the_gate(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is not screen)
        before = marked(screen.diff)
        await pilot.pause(3 * SEEN_AFTER_S)
        assert marked(screen.diff) == before
        await pilot.press("escape")
        await until(pilot, lambda: marked(screen.diff) == on_screen(app))


def test_a_row_counts_once_it_stayed_long_enough():
    sightings, page = Sightings(), range(10)
    sightings.paint(1, 0.0)
    sightings.paint(2, 0.1)
    assert sightings.look(page, (), SEEN_AFTER_S - 0.01) == frozenset()
    assert sightings.look(page, (), SEEN_AFTER_S) == {1}
    assert sightings.look(page, (), SEEN_AFTER_S + 0.1) == {1, 2}
    assert 3 not in sightings.look(page, (), 9.0), "it was never painted"


def test_a_row_that_left_or_was_covered_begins_anew():
    sightings, page = Sightings(), range(10)
    sightings.paint(1, 0.0)
    sightings.paint(2, 0.0)
    sightings.look(range(2, 10), (), 0.2)
    sightings.paint(1, 0.25)
    assert sightings.look(page, (2,), 0.4) == frozenset()
    assert sightings.look(page, (), 0.25 + SEEN_AFTER_S) == {1}
    assert sightings.look(page, (), 0.5 + SEEN_AFTER_S) == {1, 2}
    sightings.forget()
    assert sightings.look(page, (), 9.0) == frozenset()
