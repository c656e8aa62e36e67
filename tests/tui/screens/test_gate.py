"""Nobody approves by accident, and what is approved is what was shown."""

import subprocess
import time
from contextlib import nullcontext
from dataclasses import replace

import pytest
from tests.tui.conftest import say_yes, screen_text, until
from tests.tui.ledgers import FAST_TRAIN, IDEAS, Idea, Sample

from rsi.agent.store.records import DecisionAction, DecisionRecord, RequestKind
from rsi.evals.types import Finding, Severity
from rsi.tui.app import CockpitApp
from rsi.tui.screens.dialogues.asking import AskText, Confirm
from rsi.tui.screens.gate import GateScreen
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.sightings import SEEN_AFTER_S

HELD = Idea(
    title="Fuse everything", ends="gate", ratio=9.0, files=(("train.py", FAST_TRAIN + "\nx = 1\n"),),
    held_by=("implausible: nine times faster in one step",),
    findings=(Finding(rule="speed", severity=Severity.HOLD, file="train.py", line=3, message="too good", source="rules"),),
)  # fmt: skip


def cockpit(sample: Sample, **options) -> CockpitApp:
    return CockpitApp(sample.ledger, home=sample.home, first_mode="gate", **options)


async def shown(pilot) -> GateScreen:
    """Wait until the candidate and its diff are on the screen."""
    await until(
        pilot,
        lambda: isinstance(pilot.app.screen, GateScreen) and pilot.app.screen.diff.hunk_count > 0,
    )
    return pilot.app.screen


async def see_all(pilot, screen) -> None:
    """Look at every hunk, and wait out the grace."""
    for _ in range(20):
        if screen.diff.is_all_seen:
            break
        await pilot.press("space")
        await pilot.pause(2 * SEEN_AFTER_S)
    assert screen.diff.is_all_seen
    await until(pilot, lambda: not screen.why_not_approve())


async def test_approving_needs_every_hunk_seen_and_a_second_key(sample):
    app = cockpit(sample)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        assert "not seen" in screen.why_not_approve()
        await pilot.press("a")
        assert app.screen is screen, "greyed: nothing opens"
        await see_all(pilot, screen)
        await pilot.press("a")
        assert isinstance(app.screen, Confirm)
        text = screen_text(app)
        case = screen.item.round.case
        assert case.commit[:10] in text
        assert case.score_digest[:12] in text
        await pilot.press("a", "a", "enter")
        assert app.screen is screen, "enter is no: cancel is the default"
        assert sample.ledger.decisions(case.round_id) == ()
        await until(pilot, lambda: not screen.why_not_approve())
        await pilot.press("a")
        assert isinstance(app.screen, Confirm)
        app.screen._opened_s = time.monotonic() + 60
        await pilot.press("y")
        assert isinstance(app.screen, Confirm), "a key that was typed ahead does not answer"
        app.screen._opened_s = time.monotonic() - 1
        await pilot.press("y")
        await until(pilot, lambda: bool(sample.ledger.decisions(case.round_id)))
        decision = sample.ledger.decisions(case.round_id)[0]
        assert (decision.action, decision.commit, decision.score_digest) == (
            DecisionAction.APPROVE, case.commit, case.score_digest,
        )  # fmt: skip
        assert decision.actor.startswith("person:")
        await until(pilot, lambda: not app.view.gate)
        assert "Nothing waits." in screen_text(app)


@pytest.mark.slow
async def test_keys_typed_ahead_of_the_candidate_do_nothing(sample):
    app = cockpit(sample)
    async with app.run_test(size=(200, 70)) as pilot:
        screen = await shown(pilot)
        await until(pilot, lambda: screen.diff.is_all_seen)
        screen._shown_at_s += 3600
        assert screen.why_not_approve() == "it has only just appeared"
        await pilot.press("a", "y")
        assert app.screen is screen
        assert not sample.ledger.decisions(screen.item.round.id)


async def test_a_candidate_that_arrives_takes_neither_screen_nor_focus(sample):
    app = CockpitApp(sample.ledger, home=sample.home, first_mode="queue")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: len(app.view.gate) == 1)
        before, focused = app.screen, app.focused
        other = sample.campaign("c1120-beef")
        sample.play(other, IDEAS[-1:])
        await until(pilot, lambda: len(app.view.gate) == 2)
        assert app.screen is before
        assert app.focused is focused
        assert any("gate" in each.message for each in app._notifications)


@pytest.mark.slow
async def test_a_score_that_changed_meanwhile_is_refused(sample):
    app = cockpit(sample)
    async with app.run_test(size=(200, 70)) as pilot:
        screen = await shown(pilot)
        await see_all(pilot, screen)
        case = screen.item.round.case
        await pilot.press("a")
        await until(pilot, lambda: app.screen.is_settled)
        # Somebody else decides in another terminal while the question stands.
        sample.ledger.add_decision(
            DecisionRecord(round_id=case.round_id, action=DecisionAction.REJECT, actor="person:eve", reason="no",
                           commit=case.commit, score_digest=case.score_digest, at=sample.tick())
        )  # fmt: skip
        await until(pilot, lambda: not app.view.gate)
        await pilot.press("y")
        await pilot.pause()
        assert [each.actor for each in sample.ledger.decisions(case.round_id)] == ["person:eve"]


@pytest.mark.slow
async def test_going_against_what_holds_it_needs_a_reason(sample):
    sample.play(sample.campaign("c1120-held"), (HELD,))
    app = cockpit(sample)
    async with app.run_test(size=(160, 50)) as pilot:
        screen = await shown(pilot)
        await until(pilot, lambda: len(app.view.gate) == 2)
        assert screen.item.round.held_by == (), "the least doubtful comes first"
        screen.inbox.focus()
        await pilot.press("j")
        await until(pilot, lambda: screen.detail is not None and screen.item.round.held_by != ())
        screen.diff.focus()
        await see_all(pilot, screen)
        await pilot.press("a")
        assert isinstance(app.screen, AskText)
        assert "implausible" in screen_text(app)
        await pilot.press("enter")
        assert isinstance(app.screen, AskText), "an empty reason does not pass"
        await pilot.press(*"checked by hand", "enter")
        assert isinstance(app.screen, Confirm)
        await until(pilot, lambda: app.screen.is_settled)
        round_id = screen.item.round.id
        await pilot.press("y")
        await until(pilot, lambda: bool(sample.ledger.decisions(round_id)))
        decision = sample.ledger.decisions(round_id)[0]
        assert decision.is_override
        assert decision.reason == "checked by hand"


@pytest.mark.parametrize(
    ("key", "action"), [("r", DecisionAction.REJECT), ("c", DecisionAction.REVISE)]
)
@pytest.mark.slow
async def test_turning_down_and_sending_back_carry_a_reason(sample, key, action):
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await shown(pilot)
        round_id = screen.item.round.id
        await pilot.press(key)
        assert isinstance(app.screen, AskText)
        await pilot.press("escape")
        assert app.screen is screen
        await pilot.press(key, *"too risky", "enter")
        await until(pilot, lambda: bool(sample.ledger.decisions(round_id)))
        decision = sample.ledger.decisions(round_id)[0]
        assert (decision.action, decision.reason) == (action, "too risky")


@pytest.mark.slow
async def test_read_only_can_look_and_nothing_else(sample):
    app = cockpit(sample, is_read_only=True)
    async with app.run_test(size=(200, 70)) as pilot:
        screen = await shown(pilot)
        await until(pilot, lambda: screen.diff.is_all_seen)
        for key in ("a", "r", "c", "m", "e"):
            await pilot.press(key)
            assert app.screen is screen, key
        assert "read-only" in screen_text(app)
        await pilot.press("1", "n")
        assert app.screen.mode == "queue", "no form opens"
        assert not sample.ledger.requests(unhandled_only=False)
        assert not sample.ledger.decisions(screen.item.round.id)


@pytest.mark.slow
async def test_read_only_writes_no_file_and_settings_hold_until_it_is_left(sample):
    before = sorted(sample.home.root.rglob("*"))
    app = cockpit(sample, is_read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await pilot.press("8")
        await until(pilot, lambda: app.screen.mode == "settings")
        await pilot.press("enter")
        assert app.settings.theme == app.theme == "rsi-light"
        opened = []
        app.edit_file = opened.append
        await pilot.press("e", "ctrl+s")
        await pilot.pause()
        assert not opened
        assert any("nothing was written" in each.message for each in app._notifications)
    files = {each for each in sample.home.root.rglob("*") if "ledger" not in each.name}
    assert files == {each for each in before if "ledger" not in each.name}


@pytest.mark.slow
async def test_moving_to_another_candidate_starts_the_grace_anew(sample):
    sample.play(sample.campaign("c1120-more"), IDEAS[-1:])
    app = cockpit(sample)
    async with app.run_test(size=(200, 70)) as pilot:
        screen = await shown(pilot)
        await until(pilot, lambda: len(app.view.gate) == 2)
        await see_all(pilot, screen)
        first, since = screen._shown, screen._shown_at_s
        screen.inbox.focus()
        await pilot.press("j")
        assert screen._shown.round_id != first.round_id
        assert screen._shown_at_s > since
        assert screen.diff._key != first, "the former candidate's code is gone"


@pytest.mark.slow
async def test_findings_jump_into_the_diff_and_stand_beside_their_line(sample):
    app = cockpit(sample)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot)
        await pilot.press("f")
        await pilot.pause()
        assert (
            screen.diff.diff.files[screen.diff.diff.hunks[screen.diff.current_hunk].file_index].path
            == "train.py"
        )
        text = screen_text(app)
        assert "▲ anthropic:reviewer: loss is computed" in text
        for word in ("confirmed", "searched", "quality", "guard", "plausible", "predicted"):
            assert word in text


@pytest.mark.slow
async def test_more_pairs_are_asked_for_as_a_request(sample):
    app = cockpit(sample)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await shown(pilot)
        await pilot.press("m")
        await say_yes(pilot)
        await until(pilot, lambda: bool(sample.ledger.requests()))
        request = sample.ledger.requests()[0]
        assert (request.kind, request.round_id) == (RequestKind.AUDIT, screen.item.round.id)


@pytest.mark.slow
async def test_what_similar_attempts_did_is_shown(sample):
    again = Idea(title="bf16 autocast around the whole forward pass", ends="gate", ratio=1.2,
                 files=(("train.py", FAST_TRAIN + "\ny = 2\n"),))  # fmt: skip
    record = sample.campaign("c1120-like")
    sample.play(record, (replace(IDEAS[4], ends="refuted", ratio=0.9), again))
    app = cockpit(sample)
    async with app.run_test(size=(160, 60)) as pilot:
        screen = await shown(pilot)
        await until(pilot, lambda: len(app.view.gate) == 2)
        assert screen.inbox.select_id("c1120-like-0002")
        case = screen.query_one("#case", Paper)
        await until(pilot, lambda: any("like it" in each[0][0] for each in case.lines))


@pytest.mark.slow
async def test_how_far_the_claim_has_come_is_said(sample):
    app = cockpit(sample)
    async with app.run_test(size=(160, 60)) as pilot:
        case = (await shown(pilot)).query_one("#case", Paper)
        said = ["".join(span[0] for span in each) for each in case.lines]
    assert "claim       confirmed, supported again on fresh seeds and hidden data" in said


def editor(app: CockpitApp, script, monkeypatch, command: str) -> None:
    """Let a shell script be the editor; a headless driver cannot be suspended, so that nothing is."""
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    app.suspend = nullcontext


@pytest.mark.slow
async def test_editing_sends_the_change_back_as_a_patch(sample, monkeypatch, tmp_path):
    app = cockpit(sample)
    editor(app, tmp_path / "editor.sh", monkeypatch,
           'case "$1" in *.py) echo "# by hand" >> "$1";; esac')  # fmt: skip
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot)
        round_id = screen.item.round.id
        await pilot.press("e")
        assert isinstance(app.screen, Confirm)
        assert "+# by hand" in screen_text(app)
        await until(pilot, lambda: app.screen.is_settled)
        await pilot.press("y")
        await until(pilot, lambda: bool(sample.ledger.decisions(round_id)))
        decision = sample.ledger.decisions(round_id)[0]
        assert decision.action is DecisionAction.REVISE
        assert "+# by hand" in decision.reason


@pytest.mark.slow
async def test_a_patch_by_hand_keeps_line_ends_whatever_the_file_is_called(
    sample, monkeypatch, tmp_path
):
    odd = Idea(title="Another start", ends="gate", files=(("conf.d/run", "one\r\ntwo\r\n\n"),))
    sample.play(sample.campaign("c1120-odd"), (odd,))
    app = cockpit(sample, campaign_id="c1120-odd")
    editor(app, tmp_path / "editor.sh", monkeypatch, 'sed -i s/one/eins/ "$1"')
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot)
        await until(pilot, lambda: len(app.view.gate) == 2)
        assert screen.inbox.select_id("c1120-odd-0001")
        await until(
            pilot, lambda: screen.detail is not None and screen.diff.diff is screen.detail.diff
        )
        files = screen.diff.diff.files
        at = next(each.hunks[0] for each in files if each.path == "conf.d/run")
        while screen.diff.current_hunk != at:
            await pilot.press("right_square_bracket")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, Confirm) and app.screen.is_settled)
        await pilot.press("y")
        await until(pilot, lambda: bool(sample.ledger.decisions("c1120-odd-0001")))
    reason = sample.ledger.decisions("c1120-odd-0001")[0].reason
    patch = reason.split("```diff\n")[1].removesuffix("```")
    (tmp_path / "tree/conf.d").mkdir(parents=True)
    (tmp_path / "tree/conf.d/run").write_bytes(b"one\r\ntwo\r\n\n")
    subprocess.run(["git", "apply", "-"], cwd=tmp_path / "tree", input=patch.encode(), check=True)
    assert (tmp_path / "tree/conf.d/run").read_bytes() == b"eins\r\ntwo\r\n\n"
