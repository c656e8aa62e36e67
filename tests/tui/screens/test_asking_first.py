"""What changes a campaign asks before it writes, or names the command that takes it back."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
from tests.tui.conftest import until
from tests.tui.ledgers import LINEAGE, START, Sample

from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import CampaignEventKind, RequestKind, Step
from rsi.tui.app import CockpitApp
from rsi.tui.model.commands import BY_ID, COMMANDS, Command, Scope
from rsi.tui.screens.base import CockpitScreen

CHANGING = [
    each for each in COMMANDS if each.writes and each.scope not in {Scope.GLOBAL, Scope.SETTINGS}
]
"""Those of everywhere and of the settings write files of the person's own."""
ENDED, QUEUED, CAMPAIGN = "c1119-over", "c1119-next", "c1120-4f2a"
_ON = {"queue.retry": ENDED, "queue.sooner": QUEUED, "queue.later": QUEUED}


@pytest.fixture
def three(sample: Sample) -> Sample:
    """Beside the campaign under way one that has ended and one that is queued."""
    over = sample.campaign(ENDED, rounds=30)
    sample.ledger.add_campaign_event(
        CampaignEvent(campaign_id=over.id, kind=CampaignEventKind.STOPPED, at=sample.tick())
    )
    record = sample.ledger.campaign(CAMPAIGN)
    queued = type(record)(**{
        **{name: getattr(record, name) for name in record.__slots__}, "id": QUEUED, "created_at": START,
    })  # fmt: skip
    sample.ledger.add_campaign(queued)
    sample.ledger.add_campaign_event(
        CampaignEvent(campaign_id=QUEUED, kind=CampaignEventKind.QUEUED, at=sample.tick())
    )
    return sample


def promoted_by_policy(sample: Sample) -> None:
    """The candidate at the gate becomes the champion, and nobody has seen it."""
    (seen,) = sample.ledger.promotions(LINEAGE)
    round_id = f"{CAMPAIGN}-0005"
    new = sample.ledger.step(round_id, Step.COMMIT).commit
    sample.lineage.move_champion(seen.new_commit, new, round_id)
    sample.ledger.add_promotion(
        replace(seen, round_id=round_id, old_commit=seen.new_commit, new_commit=new, actor="policy:3", at=sample.tick())
    )  # fmt: skip


def facts(sample: Sample) -> str:
    """What is in the ledger, but for the beats of workers."""
    return sample.ledger.cursor().rpartition(".")[0]


async def ready(pilot, command: Command) -> CockpitScreen:
    """Bring the command's screen to a state in which it is possible."""
    app = pilot.app
    await until(pilot, lambda: getattr(app.screen, "mode", "") == command.scope.value)
    screen = app.screen
    if command.scope is Scope.QUEUE:
        await until(pilot, lambda: len(app.view.campaigns) == 3)
        screen.table.select_id(_ON.get(command.id, CAMPAIGN))
        await until(pilot, lambda: screen.campaign is not None)
    await until(pilot, lambda: screen.can_do(command))
    if command.scope is Scope.LINEAGE:
        assert screen.chosen_row.view is None, "the cursor is on the baseline"
    return screen


async def press(pilot, command: Command) -> None:
    app, key = pilot.app, command.keys.split(",", maxsplit=1)[0]
    before = facts(app.sample)
    await pilot.press(key)
    if command.undo:
        await until(pilot, lambda: facts(app.sample) != before)
    else:
        await until(pilot, lambda: app.screen is not app.screen_behind_dialogues)
        await pilot.pause(0.3)
        assert facts(app.sample) == before, f"{command.id} wrote before it was answered"
        await pilot.press("escape")
        await pilot.pause(0.2)
        assert facts(app.sample) == before, f"{command.id} wrote though it was called off"


@pytest.mark.slow
@pytest.mark.parametrize("command", CHANGING, ids=lambda each: each.id)
async def test_it_asks_or_can_be_taken_back(three, command, monkeypatch, tmp_path):
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\necho "# by hand" >> "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    if command.id == "lineage.rollback_unseen":
        promoted_by_policy(three)
    app = CockpitApp(three.ledger, home=three.home, first_mode=command.scope.value, campaign_id=CAMPAIGN)  # fmt: skip
    app.suspend, app.sample = nullcontext, three
    async with app.run_test(size=(200, 70)) as pilot:
        screen = await ready(pilot, command)
        await press(pilot, command)
        if command.undo:
            undo = BY_ID[command.undo]
            await until(pilot, lambda: screen.can_do(undo))
            # A pause is known once it was read.
            await until(pilot, lambda: screen._is_pausing() or "pause" not in command.id)
            await press(pilot, undo)
    asked = three.ledger.requests()
    if "pause" in command.id:
        assert [each.kind for each in asked] == [RequestKind.PAUSE, RequestKind.RESUME]
    elif command.undo:
        assert sum(each.payload.by for each in asked) == 0
    else:
        assert not asked


def test_every_command_that_changes_a_campaign_is_tried():
    assert {each.id for each in CHANGING} >= {"queue.retry", "queue.stop", "gate.rerun", "gate.approve", "replay.fork", "lineage.rollback"}  # fmt: skip
    for each in CHANGING:
        assert not each.undo or BY_ID[each.undo].undo == each.id, (
            "what takes it back is taken back by it"
        )
