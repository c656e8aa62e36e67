"""Pages that look beyond one campaign: agenda, capability and control, horizon, the low-risk batch; each from its verb's function."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.facts import finished, interval, left, score
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import IDEAS, LINEAGE, Idea
from tests.tui.screens.test_screens import cockpit, ready

from rsi.agent.memory.horizon import Attempt, Horizon, fit
from rsi.agent.policy.settings import queue_campaign
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignState,
    RoundRecord,
    Step,
    round_id_of,
    utc_now,
)
from rsi.agent.trust.agenda import agenda
from rsi.agent.trust.capability import capability_and_control
from rsi.tasks.format.loader import load_task
from rsi.tui.draw.styled import Role
from rsi.tui.lines.capability import axis_lines
from rsi.tui.lines.horizon import horizon_lines
from rsi.tui.model.commands import BY_ID
from rsi.tui.screens.dialogues.asking import AskText
from rsi.tui.screens.outlook.agenda import AgendaPage
from rsi.tui.screens.outlook.batch import BatchPage
from rsi.tui.screens.outlook.capability import CapabilityPage
from rsi.tui.screens.outlook.horizon import HorizonPage

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])


def text_of(lines):
    return "\n".join("".join(text for text, _ in each) for each in lines)


def ended_campaign(sample):
    """A campaign on the toy task that ended after one refuted idea."""
    task = load_task("toy")
    config = CampaignConfig(
        task_root=str(task.root), rounds=4, proposer="scripted:demo", backend="process"
    )
    record = queue_campaign(sample.ledger, task, profile="smoke", lineage="toy-x", config=config)
    round_id = round_id_of(record.id, 1)
    sample.ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=record.id, number=1, champion_commit="a" * 40, created_at=utc_now(),
        )
    )  # fmt: skip
    for fact in (
        left(Step.OPEN),
        left(Step.COMMIT),
        left(Step.SCORE, "refuted", score=score(effect=interval(0.9))),
        left(Step.REPORT),
    ):
        sample.ledger.add_step(finished(fact, round_id=round_id, wall_s=60.0))
    sample.ledger.add_campaign_event(
        CampaignEvent(campaign_id=record.id, kind=CampaignEventKind.FINISHED, at=utc_now())
    )
    return record


async def opened(pilot, mode, key, page):
    await ready(pilot, mode)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, page))
    return pilot.app.screen


@pytest.mark.slow
@SIZES
async def test_the_agenda_shows_what_the_verb_says_and_enter_queues_its_line_once(sample, size):
    ended_campaign(sample)
    (proposal,) = [each for each in agenda(sample.ledger) if each.task == "toy"]
    app = cockpit(sample)
    async with app.run_test(size=size) as pilot:
        page = await opened(pilot, "queue", "a", AgendaPage)
        await until(pilot, lambda: page.table.ids)
        page._opened_s = time.monotonic() + 3600  # as if it had only just opened
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert app.screen is page, "what was typed in one burst with the key that opened it"
        page._opened_s = 0.0
        text = screen_text(app)
        assert "toy (main, smoke)" in text
        assert "ideas were promoted" in text
        place = [each.task for each in page._found].index("toy")
        page.table.move_cursor(place)
        before = len(sample.ledger.campaigns())
        await pilot.press("enter", "enter")
        await until(pilot, lambda: page._queued_as)
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is page, "no press opens what another one queued"
        assert "✔" in text_of([page.table.line_at(place)])
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, AgendaPage))
        added = sample.ledger.campaigns()[: len(sample.ledger.campaigns()) - before]
        (queued,) = added
        assert queued.state is CampaignState.QUEUED
        assert queued.record.lineage == proposal.lineage
        assert queued.record.config.rounds == proposal.rounds
        await until(pilot, lambda: app.campaign_id == queued.record.id)


@pytest.mark.slow
async def test_a_read_only_cockpit_shows_the_agenda_and_queues_nothing(sample):
    ended_campaign(sample)
    before = len(sample.ledger.campaigns())
    app = cockpit(sample, is_read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await opened(pilot, "queue", "a", AgendaPage)
        await until(pilot, lambda: page.table.ids and page.is_settled)
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert isinstance(app.screen, AgendaPage)
    assert len(sample.ledger.campaigns()) == before


@pytest.mark.slow
@SIZES
async def test_capability_and_control_are_on_one_axis_with_every_moment_below(sample, size):
    moments = capability_and_control(sample.ledger, LINEAGE)
    app = cockpit(sample, "controls")
    async with app.run_test(size=size) as pilot:
        page = await opened(pilot, "controls", "t", CapabilityPage)
        await until(pilot, lambda: page.table.ids)
        text = screen_text(app)
        assert len(page.table.ids) == len(moments) == 1
        for label in ("speedup", "cheats caught", "false promotions", "a person saw"):
            assert label in text
        assert "1 of 1, 95% 3% to 100%" in text, "ada approved the one promotion"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.mode == "controls")


@pytest.mark.slow
async def test_the_horizon_page_says_why_there_is_no_number(sample):
    app = cockpit(sample, "controls")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "controls", "h", HorizonPage)
        await until(pilot, lambda: "No horizon yet." in screen_text(app))


CLEAN = (
    Idea(title="Draw the batch with one gather", ends="gate", ratio=1.4, files=IDEAS[1].files),
    Idea(title="Draw a batch with two gathers", ends="gate", ratio=1.3, files=IDEAS[1].files),
    Idea(title="Fuse the optimizer", ends="gate", ratio=1.1, files=(("optim.py", "fused = True\n"),)),
)  # fmt: skip


@pytest.mark.slow
@SIZES
async def test_the_batch_has_what_differs_most_on_top_and_leads_to_the_gate(sample, size):
    for number, idea in enumerate(CLEAN):
        sample.play(sample.campaign(f"c1121-000{number}"), (idea,))
    app = cockpit(sample, "gate")
    async with app.run_test(size=size) as pilot:
        await ready(pilot, "gate")
        await until(pilot, lambda: len(app.view.gate) == 4)
        page = await opened(pilot, "gate", "l", BatchPage)
        await until(pilot, lambda: "median of 1 decision" in screen_text(app))
        assert page.table.ids[0] == "c1121-0002-0001", "the two gathers are alike"
        assert len(page.table.ids) == 3, "the one with a finding is not of low risk"
        await until(pilot, lambda: page.is_settled)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.mode == "gate")
        await until(pilot, lambda: app.screen.item is not None and app.screen.item.round.id == "c1121-0002-0001")  # fmt: skip
    assert not sample.ledger.decisions("c1121-0002-0001"), "looking decides nothing"


@pytest.mark.slow
async def test_one_key_takes_back_every_promotion_that_nobody_saw(sample):
    (seen,) = sample.ledger.promotions(LINEAGE)
    round_id, _ = sample.play(sample.campaign("c1121-0000"), (CLEAN[2], CLEAN[0]))
    new = sample.ledger.step(round_id, Step.COMMIT).commit
    sample.lineage.move_champion(seen.new_commit, new, round_id)
    sample.ledger.add_promotion(
        replace(seen, round_id=round_id, old_commit=seen.new_commit, new_commit=new, actor="policy:3", at=sample.tick())
    )  # fmt: skip
    app = cockpit(sample, "lineage")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await ready(pilot, "lineage")
        await until(pilot, lambda: len(screen._promotions) == 2)
        await pilot.press("W")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        text = screen_text(app)
        assert "Take back 1 promotion that nobody saw" in text
        assert "Draw the whole batch" in text, "what ada promoted"
        await pilot.press(*"odd", "enter")
        await until(pilot, lambda: len(sample.ledger.promotions(LINEAGE)) == 3)
        await until(pilot, lambda: len(screen._promotions) == 3)
        assert not screen.is_possible(BY_ID["lineage.rollback_unseen"])
    back = sample.ledger.promotions(LINEAGE)[-1]
    assert (back.kind, back.new_commit, back.reason) == ("rollback", seen.new_commit, "odd")
    assert sample.lineage.champion() == seen.new_commit


def test_the_axis_fits_its_width_and_marks_what_failed(sample):
    (moment,) = capability_and_control(sample.ledger, LINEAGE)
    missed = replace(moment, event="cheat 01: reached the gate", is_failure=True)
    many = [replace(moment, at=moment.at + timedelta(minutes=n)) for n in range(300)]
    for width in (80, 120, 200):
        for each in (many, [*many[:-1], missed], [missed]):
            lines = axis_lines(each, width)
            assert all(len("".join(text for text, _ in line)) <= width for line in lines[:5])
            assert ("▲" in text_of(lines[:1])) is (each[-1] is missed)


def horizon_of(attempts, spans=None):
    half, four_fifths = spans or (None, None)
    return Horizon(
        model="anthropic:m", profile="demo", machine="a box\nwith much more to say", is_scripted=False,
        attempts=tuple(attempts), half=half, four_fifths=four_fifths, reason="" if spans else "too few",
    )  # fmt: skip


def attempt(minutes, succeeded, family="toy"):
    return Attempt(
        family=family, rung=f"r{minutes}", minutes=minutes, source="estimated", succeeded=succeeded
    )


def test_the_horizon_is_drawn_from_its_own_two_points():
    from rsi.agent.memory.horizon import Span, minutes_at

    attempts = [attempt(*each) for each in ((10, True), (20, True), (40, False), (80, True), (160, False), (320, False))]  # fmt: skip
    curve = fit(attempts)
    half, fifths = (Span(minutes=minutes_at(curve, share), low=None, high=None) for share in (0.5, 0.8))  # fmt: skip
    for width in (60, 100, 160):
        lines = horizon_lines([horizon_of(attempts, (half, fifths))], width)
        text = text_of(lines)
        assert f"50 % {half.text}" in text
        assert f"80 % {fifths.text}" in text
        drawn = [line for line in lines if any(role is Role.SERIES_A for _, role in line)]
        assert len(drawn) == 6
        rows = ["".join(t for t, role in each if role is Role.SERIES_A) for each in drawn]
        blank = chr(0x2800)
        assert rows[0][0] != blank, "short rungs are climbed"
        assert rows[0][-1] == blank, "long ones are not"
        assert rows[-1][-1] != blank
        above, below = next(x for x in text.split("\n") if x.startswith("yes")), next(x for x in text.split("\n") if x.startswith("no "))  # fmt: skip
        assert (above.count("●"), below.count("○")) == (3, 3)
        assert "much more" not in text


def test_a_horizon_without_a_number_gives_its_reason_and_its_rungs_and_one_rung_can_be_drawn():
    text = text_of(horizon_lines([horizon_of([attempt(30, True)])], 80))
    assert "no horizon: too few" in text
    assert "●" in text
    assert "1 rung of 1 task" in text
