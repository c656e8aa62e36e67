"""What changed since a candidate was sent back, and where two trajectories part, are read side by side."""

from concurrent.futures import Future
from dataclasses import replace

import pytest
from tests.facts import finished, left
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import FAST_LOADER, FAST_TRAIN, LOADER, Sample, score

from rsi.agent.store.records import AgentRole, Step, TrajectoryEvent, TrajectoryKind
from rsi.evals.types import Verdict
from rsi.sandboxes.types import FileEntry
from rsi.tui.app import CockpitApp
from rsi.tui.model.alignment import aligned, compared, first_difference
from rsi.tui.model.attempts import attempt_pairs, attempts_made
from rsi.tui.reading.attempt_diffs import attempt_diff
from rsi.tui.screens.dialogues.attempts import AttemptDialogue
from rsi.tui.screens.replay.side_by_side import Half, SideBySide, compare
from rsi.tui.widgets.diffview import seen_bar

ROUND = "c1120-4f2a-0005"
NOTE = "Keep the loader as it is \x1b]52;c;aGk=\x07 and say why."


def sent_back(sample: Sample, note: str = NOTE, *, times: int = 1) -> None:
    """The candidate at the gate is sent back, and comes there again with other code."""
    for number in range(1, times + 1):
        before = sample.ledger.step(ROUND, Step.COMMIT, number - 1)
        review = sample.ledger.step(ROUND, Step.REVIEW, number - 1)
        facts = [(number - 1, left(Step.DECIDE, "revise", reason=note, actor="person:ada", action="revise",
                                   commit=before.commit, score_digest=review.score_digest))]  # fmt: skip
        tree = tuple(
            FileEntry(path=path, content=text.encode())
            for path, text in (
                ("loader.py", FAST_LOADER if number % 2 else LOADER),
                ("train.py", FAST_TRAIN.replace("1e-3", f"{number + 1}e-3")),
            )
        )
        commit = sample.lineage.commit_candidate(
            ROUND, before.parent, tree, "again", {"Round": ROUND}, at=sample.now, attempt=number
        )
        found = score(1.9, Verdict.SUPPORTED, f"again-{number}")
        facts += [
            (number, left(Step.BRIEF, base_commit=before.parent)),
            (number, left(Step.PROPOSE, hypothesis="The same with the loader kept")),
            (number, left(Step.COMMIT, commit=commit, parent=before.parent)),
            (number, left(Step.CRITIQUE)),
            (number, left(Step.ADMIT, findings=())),
            (number, left(Step.MEASURE)),
            (number, left(Step.SCORE, "supported", score=found)),
            (number, left(Step.REVIEW, "ok", confirm=found, score_digest=found.digest)),
        ]
        for attempt, fact in facts:
            record = finished(fact, round_id=ROUND, started_at=sample.tick(), wall_s=1.0)
            sample.ledger.add_step(replace(record, attempt=attempt))


def view_of(sample: Sample):
    from rsi.agent.store.round_book import RoundBook

    return RoundBook(sample.ledger).one(ROUND)


def test_each_attempt_has_the_note_that_sent_it_back(sample):
    assert attempt_pairs(view_of(sample)) == ()
    sent_back(sample, times=2)
    made = attempts_made(view_of(sample))
    assert [each.number for each in made] == [1, 2, 3]
    assert [each.sent_back.note if each.sent_back else None for each in made] == [NOTE, NOTE, None]
    assert made[0].sent_back.by == "person:ada"
    assert [(p.before.number, p.after.number) for p in attempt_pairs(view_of(sample))] == [(1, 2), (2, 3)]  # fmt: skip


def test_attempts_are_compared_by_commit_or_where_there_is_no_repository_by_what_the_ledger_keeps(sample):  # fmt: skip
    from rsi.tui.model.code import Code

    sent_back(sample)
    (pair,) = attempt_pairs(view_of(sample))
    here = attempt_diff(sample.ledger, Code(sample.home), sample.lineage.name, pair)
    assert not here.is_of_patches
    assert "+    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3" in here.text
    elsewhere = attempt_diff(sample.ledger, Code(None), sample.lineage.name, pair)
    assert elsewhere is None, "without repository and blob there is nothing to compare"
    kept = [
        replace(each, committed=replace(each.committed, diff_sha256=sample.ledger.put_blob(text)))
        for each, text in ((pair.before, b"--- a/x\n-1\n"), (pair.after, b"--- a/x\n-2\n"))
    ]
    pair = replace(pair, before=kept[0], after=kept[1])
    elsewhere = attempt_diff(sample.ledger, Code(None), sample.lineage.name, pair)
    assert elsewhere.is_of_patches
    assert "--1" in elsewhere.text
    assert "+-2" in elsewhere.text


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_gate_shows_what_changed_since_the_note_that_sent_it_back(sample, size):
    sent_back(sample, times=2)
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="gate")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: getattr(app.screen, "mode", "") == "gate")
        await until(pilot, lambda: app.screen.diff.hunk_count > 0)
        gate = app.screen
        gate.query_one("#case").action_first()
        assert any("person:ada" in each[1][0] for each in gate.query_one("#case").lines if len(each) > 1)  # fmt: skip
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, AttemptDialogue))
        await until(pilot, lambda: "Attempt 3 against attempt 2" in screen_text(app))
        text = " ".join(screen_text(app).split())
        assert "person:ada sent attempt 2 back: Keep the loader as it is ␛]52" in text
        await pilot.press("G")
        await until(pilot, lambda: "lr=2e-3" in screen_text(app))
        await pilot.press("b")
        await until(pilot, lambda: "Attempt 2 against attempt 1" in screen_text(app))
        await pilot.press("b", "escape")
        await until(pilot, lambda: app.screen is gate)
        assert not gate.diff.is_all_seen, "what is read in another diff was not seen in this one"


@pytest.mark.slow
async def test_a_candidate_that_was_never_sent_back_says_so(sample):
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="gate")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: getattr(app.screen, "mode", "") == "gate" and app.screen.item)
        await pilot.press("b")
        await until(pilot, lambda: "never sent back" in screen_text(app))
        await pilot.press("5", "j", "j", "b")
        await until(pilot, lambda: app._said[0].endswith("so there is one attempt alone"))


# --- two trajectories ---


def step(seq: int, text: str, **payload) -> TrajectoryEvent:
    from tests.tui.ledgers import START

    return TrajectoryEvent(round_id=ROUND, agent=AgentRole.PROPOSER, seq=seq, at=START, kind=TrajectoryKind.NOTE,
                           payload={"text": text, **payload})  # fmt: skip


def lines_of(left: str, right: str) -> list[tuple[str, str, bool]]:
    pairs = aligned(*([compared(step(at, each)) for at, each in enumerate(side)] for side in (left, right)))  # fmt: skip
    return [
        ("" if each.left is None else each.left.text, "" if each.right is None else each.right.text, each.is_same)
        for each in pairs
    ]  # fmt: skip


def test_steps_that_say_the_same_stand_beside_each_other_after_the_two_have_parted():
    assert lines_of("abcd", "abxcd") == [
        ("a", "a", True), ("b", "b", True), ("", "x", False), ("c", "c", True), ("d", "d", True),
    ]  # fmt: skip
    assert lines_of("ab", "ax") == [("a", "a", True), ("b", "x", False)]
    assert lines_of("", "a") == [("", "a", False)]


def test_steps_are_the_same_by_all_that_they_say_and_not_by_what_each_run_has_of_its_own():
    long = "x" * 400
    one, two = compared(step(0, long + "1", id="t1")), compared(step(0, long + "2", id="t1"))
    assert one.headline.text == two.headline.text
    assert one.said != two.said
    assert compared(step(0, long, id="t1")).said == compared(step(9, long, id="t2")).said
    assert first_difference(aligned([one], [one])) is None


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_two_rounds_stand_side_by_side_from_where_they_part_and_scroll_together(sample, size):
    hostile = "\x1b[2J" + "long " * 900
    for round_id in (ROUND, "c1120-4f2a-0004"):
        event = replace(step(16, hostile + round_id), round_id=round_id)
        sample.ledger.add_events([event])
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="replay")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: getattr(app.screen, "mode", "") == "replay")
        await until(pilot, lambda: len(app.screen.store) == 17)
        await pilot.press("equals_sign", "H")
        await until(pilot, lambda: app.round_id.endswith("0004") and len(app.screen.store) == 17)
        await pilot.press("equals_sign")
        await until(pilot, lambda: isinstance(app.screen, SideBySide))
        await until(pilot, lambda: "torch.compile the" in screen_text(app))
        text = screen_text(app)
        assert "They part at step 2" in text
        assert app.screen.pair.left.seq == 2
        assert "bf16 autocast" in text
        await pilot.press("G")
        left, right = (app.screen.query_one(each, Half) for each in ("#left", "#right"))
        await until(pilot, lambda: left.max_scroll_y > 3 and right.max_scroll_y > 3)
        await pilot.press("tab", "j", "j")
        await until(pilot, lambda: left.scroll_offset.y == right.scroll_offset.y == 2)
        assert "␛[2J" in screen_text(app) or left.scroll_offset.y
        await pilot.press("escape")
        assert getattr(app.screen, "mode", "") == "replay"


def test_a_trajectory_longer_than_is_compared_says_so(sample, monkeypatch):
    monkeypatch.setattr("rsi.tui.screens.replay.side_by_side.MOST_EVENTS", 5)
    of = (ROUND, AgentRole.PROPOSER)
    found = compare(sample.ledger, of, of)
    assert found.is_cut
    assert [each.is_same for each in found.pairs] == [True] * 5
    assert "the first 5 steps" in SideBySide(None, found)._heading()


# --- what of a diff was seen ---


def test_the_bar_is_hatched_where_a_row_was_not_seen():
    assert seen_bar([0], 4)[0][0] == "░"
    assert "".join(text for text, _ in seen_bar([3], 4)) == "███░ "
    assert "".join(text for text, _ in seen_bar([], 200, 8)) == "████████ "
    # One row of two hundred is enough.
    assert "".join(text for text, _ in seen_bar([199], 200, 8)) == "███████░ "
    assert seen_bar([], 0) == seen_bar([3], 4, 0) == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "keys"), [("gate", ("b",)), ("lineage", ("j", "j", "d")), ("lineage", ("j", "j", "o"))]
)
async def test_what_was_asked_for_does_not_open_over_the_screen_that_was_gone_to_meanwhile(
    sample, mode, keys
):
    sent_back(sample)
    app = CockpitApp(sample.ledger, home=sample.home, first_mode=mode)
    opened, held = [], []
    app.open_outside = lambda *_, **__: opened.append("program")
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: getattr(app.screen, "mode", "") == mode)
        await until(pilot, lambda: app.view.gate and (mode == "gate" or len(app.screen.tree_table.ids) == 6))  # fmt: skip
        await until(pilot, lambda: mode != "gate" or app.screen.item is not None)
        ask = app.ask_ledger

        def slow(work):
            future: Future[object] = Future()
            held.append((future, work))
            return future

        for key in keys[:-1]:
            await pilot.press(key)
        app.ask_ledger = slow
        await pilot.press(keys[-1])
        app.ask_ledger = ask
        assert held
        await pilot.press("8")
        await until(pilot, lambda: getattr(app.screen, "mode", "") == "settings")
        for future, work in held:
            future.set_result(work(sample.ledger))
        await pilot.pause(0.3)
        assert getattr(app.screen, "mode", "") == "settings"
        assert not opened
