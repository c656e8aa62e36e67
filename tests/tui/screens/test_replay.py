"""A trajectory of any length is stepped through, filtered, searched and compared, live or finished."""

import time
from concurrent.futures import Future
from dataclasses import replace

import pytest
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import START, Sample

from rsi.agent.errors import LedgerError
from rsi.agent.store.records import AgentRole, TrajectoryEvent, TrajectoryKind
from rsi.tui.app import CockpitApp
from rsi.tui.model.trajectory import Group, code_as_of, event_lines, headline
from rsi.tui.reading.event_store import PAGE_EVENTS, EventStore, PositionIds
from rsi.tui.screens.dialogues.filtering import FilterInput
from rsi.tui.screens.replay.side_by_side import SideBySide
from rsi.tui.widgets.paper import Paper

pytestmark = pytest.mark.slow
ROUND = "c1120-4f2a-0005"


def event(
    seq: int, kind: TrajectoryKind = TrajectoryKind.NOTE, **payload: object
) -> TrajectoryEvent:

    return TrajectoryEvent(
        round_id=ROUND, agent=AgentRole.PROPOSER, seq=seq, at=START, kind=kind, payload=payload
    )


async def opened(pilot):
    app = pilot.app
    await until(
        pilot, lambda: getattr(app.screen, "mode", "") == "replay" and len(app.screen.store) > 0
    )
    await until(pilot, lambda: app.screen.event is not None)
    return app.screen


def cockpit(sample: Sample) -> CockpitApp:
    return CockpitApp(sample.ledger, home=sample.home, first_mode="replay")


async def test_steps_are_walked_with_the_keys_people_know(sample):
    app = cockpit(sample)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await opened(pilot)
        await pilot.press("l", "l", "h")
        assert screen.position == 1
        await pilot.press("dollar_sign")
        assert screen.position == 15
        await pilot.press("0", "right_square_bracket")
        assert screen.event.payload["name"] == "edit"
        await pilot.press("right_curly_bracket")
        assert "was not found" in screen_text(app)
        await pilot.press("right_parenthesis")
        assert screen.event.payload["name"] == "measure"
        await pilot.press("left_square_bracket")
        assert screen.store.group_at(screen.position) is Group.EDIT
        await pilot.press("H")
        await until(pilot, lambda: app.round_id.endswith("0004") and len(screen.store) == 16)


async def test_kinds_are_hidden_and_shown_without_losing_the_place(sample):
    app = cockpit(sample)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await opened(pilot)
        await pilot.press("l", "l", "t")
        assert screen.position == 2
        assert screen.table.line_count() == 5
        await pilot.press("r")
        assert screen.table.line_count() == 4
        await pilot.press("right_square_bracket")
        assert screen.table.line_count() == 16, "jumping to a hidden step shows it again"


async def test_the_code_as_of_a_step_and_its_diff(sample):
    app = cockpit(sample)
    async with app.run_test(size=(140, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("dollar_sign", "d")
        await until(pilot, lambda: screen.query_one("#body-diff").hunk_count > 0)
        await until(pilot, lambda: "autocast" in screen_text(app))
        await pilot.press("d")
        await until(pilot, lambda: "Code as of this step" in screen_text(app))
        await until(pilot, lambda: "with torch.autocast" in screen_text(app))
        await pilot.press("0")
        await until(pilot, lambda: "0 edits" in screen_text(app))


async def test_searching_reads_every_step_and_marks_the_matches(sample):
    app = cockpit(sample)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"py_compile", "enter")
        await until(pilot, lambda: screen._searched == 16)
        assert screen.event.payload["arguments"]["command"].startswith("python -m py_compile")
        await pilot.press("escape")
        assert screen._search == ""


async def test_playing_walks_to_the_end_and_stops(sample):
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        for _ in range(5):
            await pilot.press("plus")
        await pilot.press("space")
        await until(pilot, lambda: screen.position == 15 and screen._timer is None)


async def test_a_live_trajectory_grows_and_is_followed_from_its_end(sample):
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("dollar_sign")
        sample.ledger.add_events([event(16, text="one more"), event(17, text="and another")])
        await until(pilot, lambda: len(screen.store) == 18)
        await until(pilot, lambda: screen.position == 17)
        await pilot.press("h")
        sample.ledger.add_events([event(18, text="later")])
        await until(pilot, lambda: len(screen.store) == 19)
        assert screen.position == 16, "who looks back is left there"


async def test_two_rounds_are_compared_to_their_first_difference(sample):
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        await pilot.press("C", "H")
        await until(pilot, lambda: app.round_id.endswith("0004") and len(screen.store) == 16)
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, SideBySide))
        await until(pilot, lambda: "I will try this: torch.compile" in screen_text(app))
        assert "They part at step 2" in screen_text(app)


async def test_twenty_thousand_events_are_opened_and_stepped_quickly(sample):
    store = EventStore()
    events = [event(seq, TrajectoryKind.MODEL, texts=[f"thought {seq}"]) for seq in range(20_000)]
    started = time.process_time()
    for at in range(0, len(events), 500):
        store.add(events[at : at + 500])
    assert time.process_time() - started < 1.0
    assert len(store) == 20_000
    assert store.headline_at(19_999) is None, "only pages that were asked for are held whole"
    store.add_page(3, events[3 * PAGE_EVENTS : 4 * PAGE_EVENTS])
    assert store.headline_at(3 * PAGE_EVENTS + 5).text == f"thought {3 * PAGE_EVENTS + 5}"
    ids = PositionIds(range(len(store)))
    assert ids[19_999] == "19999"
    assert ids.index("777") == 777


def test_a_screen_of_steps_from_as_many_pages_is_held_at_once():
    store = EventStore()
    events = [event(seq, text=str(seq)) for seq in range(PAGE_EVENTS * 120)]
    store.add(events)
    for page in range(120):
        store.add_page(page, events[page * PAGE_EVENTS : (page + 1) * PAGE_EVENTS])
    assert all(store.headline_at(page * PAGE_EVENTS) is not None for page in range(120))
    assert store.event_at(0) is None, "whole events are held for few pages"


async def test_a_search_that_begins_before_all_is_read_finds_the_right_steps(sample):
    sample.ledger.add_events(
        [event(seq, text="a needle" if seq >= 1_300 else "hay") for seq in range(16, 1_400)]
    )
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        screen.query_one(FilterInput).post_message(
            FilterInput.Submitted(screen.query_one(FilterInput), "needle")
        )
        await until(pilot, lambda: screen._searched == 1_400)
        assert screen._matches == [screen.store.position_of(seq) for seq in range(1_300, 1_400)]
        assert screen.position == 1_300
        sample.ledger.add_events([event(1_400, text="needle, again")])
        await until(pilot, lambda: screen._matches[-1] == 1_400)


async def test_who_reads_a_long_step_is_left_there_and_a_page_that_failed_is_asked_for_again(
    sample,
):
    app = cockpit(sample)
    async with app.run_test(size=(100, 20)) as pilot:
        screen = await opened(pilot)
        screen.table.select_id("5")
        body = screen.query_one("#body", Paper)
        await until(pilot, lambda: body.heading.startswith("Step 5"))
        body.scroll_to(y=7, animate=False, force=True)
        sample.ledger.add_events([event(16, text="one more")])
        await until(pilot, lambda: len(screen.store) == 17 and screen.event is not None)
        assert (body.heading[:6], body.scroll_offset.y) == ("Step 5", 7)
        ask, said = app.ask_ledger, []
        app.say = lambda text, **_: said.append(text)

        def refused(_: object) -> Future[object]:
            future: Future[object] = Future()
            future.set_exception(LedgerError("locked"))
            return future

        app.ask_ledger = refused
        screen.store._drop_page(0)
        screen._draw_step()
        await until(pilot, lambda: not screen._wanted_pages)
        app.ask_ledger = ask
        screen.table.refresh()
        await until(pilot, lambda: screen.event is not None)
        assert not said, "the state line says it once"


async def test_a_campaign_without_rounds_leaves_no_steps_of_another(sample):
    before = sample.ledger.campaign("c1120-4f2a")
    sample.ledger.add_campaign(replace(before, id="c1120-two"))
    app = CockpitApp(sample.ledger, first_mode="replay", campaign_id="c1120-4f2a")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(pilot)
        app.choose("c1120-two")
        screen.redraw()
        await until(pilot, lambda: "no round chosen" in screen_text(app))
        assert len(screen.store) == 0


def test_every_kind_of_event_has_a_headline_and_lines_whatever_is_in_it():
    odd = ({}, {"text": None}, {"texts": "x", "blocks": 3}, {"arguments": []}, {"name": 5}, {"text": "\x1b[2J"}, {"is_error": True},
           {"blocks": [{"type": "tool_call"}, 3, {"text": "x"}]})  # fmt: skip
    for kind in TrajectoryKind:
        for payload in odd:
            one = event(0, kind, **payload)
            assert len(headline(one).text) <= 160
            event_lines(one)


def test_code_is_reconstructed_from_edits_that_did_not_fail():
    events = [
        event(
            0,
            TrajectoryKind.TOOL_CALL,
            id="a",
            name="edit",
            arguments={"path": "f.py", "old": "1", "new": "2"},
        ),
        event(1, TrajectoryKind.TOOL_RESULT, call_id="a", is_error=False, text=""),
        event(
            2,
            TrajectoryKind.TOOL_CALL,
            id="b",
            name="edit",
            arguments={"path": "f.py", "old": "2", "new": "3"},
        ),
        event(3, TrajectoryKind.TOOL_RESULT, call_id="b", is_error=True, text=""),
        event(
            4,
            TrajectoryKind.TOOL_CALL,
            id="c",
            name="write",
            arguments={"path": "g.py", "content": "new\n"},
        ),
        event(5, TrajectoryKind.TOOL_CALL, id="d", name="shell", arguments={"command": "rm f.py"}),
    ]
    found = code_as_of({"f.py": "x = 1\n"}, events, last_seq=5)
    assert found.after == {"f.py": "x = 2\n", "g.py": "new\n"}
    assert (found.edits, found.shell_commands) == (2, 1)
    assert code_as_of({"f.py": "x = 1\n"}, events, last_seq=0).edits == 1
    assert "+x = 2" in found.diff_text
