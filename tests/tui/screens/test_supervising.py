"""What the cockpit says about campaigns under way is what holds now: limits, requests, waiting, machine, walls."""

import dataclasses
import shutil
import sqlite3
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta

import pytest
from tests.tui.conftest import say_yes, screen_text, until
from tests.tui.ledgers import IDEAS, Sample, disturbance, score
from textual.app import App, ComposeResult
from textual.widgets import Input

from rsi.agent.errors import LedgerError
from rsi.agent.policy.queueing import urgencies
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.store.events import Audit, CampaignEvent
from rsi.agent.store.records import (
    Asked,
    CampaignEventKind,
    CampaignRecord,
    CampaignState,
    CampaignSummary,
    ChargeRecord,
    ChargeRole,
    LogChunk,
    RequestKind,
    RoundRecord,
    Step,
    round_id_of,
)
from rsi.evals.types import Arm, Measurement, Purpose, Verdict
from rsi.tui.app import CockpitApp
from rsi.tui.draw.phrases import paid_briefly
from rsi.tui.draw.styled import DASH, TIMES
from rsi.tui.lines.orders import SORTINGS
from rsi.tui.lines.queue import known_lines, unmet_wishes
from rsi.tui.lines.run import machine_line
from rsi.tui.log_follower import LogFollower
from rsi.tui.model.commands import SCREENS
from rsi.tui.model.view import View
from rsi.tui.reading.queueing import goes_before
from rsi.tui.screens.dialogues.asking import AskText
from rsi.tui.screens.lineage import SORTINGS as BOARD_SORTINGS
from rsi.tui.widgets.logview import LogView

pytestmark = pytest.mark.slow

CAMPAIGN = "c1120-4f2a"


def cockpit(sample: Sample, mode: str, **options) -> CockpitApp:
    return CockpitApp(sample.ledger, home=sample.home, first_mode=mode, **options)


async def read(pilot, mode: str):
    app = pilot.app
    await until(
        pilot,
        lambda: getattr(app.screen, "mode", "") == mode and app.view.campaign is not None,
    )
    return app.screen


def ask(sample: Sample, kind: RequestKind, campaign_id: str = CAMPAIGN, **said) -> None:
    sample.ledger.add_request(
        kind, actor="person:ada", at=sample.tick(), campaign_id=campaign_id, payload=Asked(**said)
    )


def audit(found) -> Audit:
    return Audit(word="measured", baseline_commit="a" * 40, champion_commit="b" * 40, score=found)


def happens(sample: Sample, kind: CampaignEventKind, campaign_id: str = CAMPAIGN, **more):
    sample.ledger.add_campaign_event(
        CampaignEvent(campaign_id=campaign_id, kind=kind, at=sample.tick(), **more)
    )


def like(sample: Sample, name: str, **changes) -> CampaignRecord:
    """Another campaign, queued and not started."""
    before = sample.ledger.campaign(CAMPAIGN)
    config = dataclasses.replace(before.config, **changes.pop("config", {}))
    record = dataclasses.replace(before, id=name, created_at=sample.tick(), config=config, **changes)  # fmt: skip
    sample.ledger.add_campaign(record)
    happens(sample, CampaignEventKind.QUEUED, name)
    return record


# --- requests and limits -------------------------------------------------------------------


async def test_the_limit_in_force_is_shown_wherever_a_limit_is_shown(sample):
    ask(sample, RequestKind.BUDGET, limits={"budget_usd": 7.5})
    app = cockpit(sample, "run")
    async with app.run_test(size=(120, 36)) as pilot:
        await read(pilot, "run")
        await until(pilot, lambda: "of $7.50" in screen_text(app))
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, AskText))
        assert app.screen.query_one("#answer", Input).value == "7.5"
        assert "of $7.50" in screen_text(app)
        await pilot.press("escape", "1")
        await read(pilot, "queue")
        await until(pilot, lambda: "of $7.50" in screen_text(app))
        assert "$5.00" not in screen_text(app)


async def test_a_request_is_said_to_be_asked_until_a_worker_acts_on_it(sample):
    steering = CampaignSteering(sample.ledger, CAMPAIGN)
    ask(sample, RequestKind.PAUSE)
    app = cockpit(sample, "run")
    async with app.run_test(size=(120, 36)) as pilot:
        await read(pilot, "run")
        await until(pilot, lambda: "⧖ asked: pause" in screen_text(app))
        assert steering.must_hold()
        await until(pilot, lambda: "⧖ asked" not in screen_text(app))
        assert "‖ the agent holds" in screen_text(app)
        await pilot.press("p")
        await until(pilot, lambda: len(sample.ledger.requests()) == 1)
        assert sample.ledger.requests()[0].kind is RequestKind.RESUME, "p goes on, though the pause was heard"  # fmt: skip
        assert not steering.must_hold()
        await until(pilot, lambda: "holds" not in screen_text(app))


async def test_one_that_ended_by_its_budget_may_go_on_and_one_whose_rounds_are_done_may_not(sample):
    happens(sample, CampaignEventKind.FINISHED, reason="the budget of usd is spent")
    whole = like(sample, "c1120-beef", config={"rounds": len(IDEAS) - 1})
    happens(sample, CampaignEventKind.STARTED, whole.id)
    sample.play(whole)
    happens(sample, CampaignEventKind.FINISHED, whole.id, reason="all rounds done")
    app = cockpit(sample, "queue")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await read(pilot, "queue")
        screen.table.select_id(whole.id)
        await until(pilot, lambda: screen.campaign is not None and screen.campaign.id == whole.id)
        assert "all its rounds are done" in screen.campaign.retry_refusal
        await pilot.press("R")
        screen.table.select_id(CAMPAIGN)
        await until(pilot, lambda: screen.campaign is not None and screen.campaign.id == CAMPAIGN)
        await pilot.press("R")
        await say_yes(pilot)
        await until(pilot, lambda: bool(sample.ledger.requests()))
        assert [(r.kind, r.campaign_id) for r in sample.ledger.requests()] == [
            (RequestKind.RETRY, CAMPAIGN)
        ]
        await pilot.press("2", "b")
        await until(pilot, lambda: isinstance(app.screen, AskText))


# --- the queue -----------------------------------------------------------------------------


def summary(record: CampaignRecord, state: CampaignState) -> CampaignSummary:
    return CampaignSummary(
        record=record, state=state, changed_at=record.created_at, rounds=0, promoted=0, spend_usd=0.0,
        reserved_usd=0.0,        latest_round_id=None, latest_step=None, latest_outcome=None,
    )  # fmt: skip


def test_who_goes_before_whom_follows_urgency_and_then_age(sample):
    first, second, third = (like(sample, f"c1120-000{each}") for each in (1, 2, 3))
    ask(sample, RequestKind.PRIORITY, third.id, by=1)
    places = urgencies(sample.ledger.requests(unhandled_only=False))
    assert places == {third.id: 1}
    queued = [summary(each, CampaignState.QUEUED) for each in (first, second, third)]
    running = summary(sample.ledger.campaign(CAMPAIGN), CampaignState.RUNNING)
    assert goes_before([running, *queued], places) == {
        third.id: CAMPAIGN, first.id: third.id, second.id: first.id,
    }  # fmt: skip
    assert goes_before(queued, {})[first.id] == "", "nothing runs: a worker alone is missing"
    other = dataclasses.replace(running, state=CampaignState.PAUSED)
    assert goes_before([running, other, *queued], {})[first.id] == "", "whichever ends first"


async def test_a_queued_campaign_says_what_it_waits_for(sample):
    like(sample, "c1120-000a")
    like(sample, "c1120-000b")
    app = cockpit(sample, "queue")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await read(pilot, "queue")
        await until(pilot, lambda: f"after {CAMPAIGN}" in screen_text(app))
        assert "after c1120-000a" in screen_text(app)
        happens(sample, CampaignEventKind.STOPPED)
        await until(pilot, lambda: "for a worker" in screen_text(app))
        screen.table.select_id("c1120-000a")
        await until(pilot, lambda: "rsi worker starts one" in screen_text(app))


async def test_a_campaign_that_no_machine_fits_says_so(sample):
    like(sample, "c1120-000a", config={"on": ("gpu=h100",)})
    sample.worker()
    app = cockpit(sample, "queue")
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await read(pilot, "queue")
        await until(pilot, lambda: "▲ no machine" in screen_text(app))
        screen.table.select_id("c1120-000a")
        await until(pilot, lambda: "a machine with gpu=h100" in screen_text(app))
        assert "and no worker is on such a one" in screen_text(app)
        assert "gpu=h100" in screen_text(app).split("lineage")[-1], "what it asks for"


@pytest.mark.parametrize("said", ["paused", "draining", "leaving"])
def test_only_a_worker_that_takes_campaigns_can_be_the_machine_that_is_missing(sample, said):
    like(sample, "c1120-000a", config={"on": ("label=lab",)})
    sample.worker()
    (worker,) = sample.ledger.workers()
    summary = sample.ledger.campaign_summary("c1120-000a")
    view = View(
        at=worker.heartbeat_at, source="", campaigns=(summary,), by_id={"c1120-000a": summary},
        workers=(worker,), waits_for={"c1120-000a": ""},
    )  # fmt: skip
    assert unmet_wishes(view, "c1120-000a") == "label=lab"
    gone = dataclasses.replace(view, workers=(dataclasses.replace(worker, **{f"is_{said}": True}),))
    assert unmet_wishes(gone, "c1120-000a") == "", (
        "as standstill has it: no worker, or a paused one"
    )
    (known,) = known_lines(gone, "c1120-000a")
    assert ("paused" in known[1][0]) is (said == "paused")


@pytest.mark.parametrize("said", ["paused", "draining"])
async def test_a_worker_that_takes_no_more_is_shown_as_such(sample, said):
    sample.worker()
    (worker,) = sample.ledger.workers()
    sample.ledger.heartbeat(dataclasses.replace(worker, **{f"is_{said}": True}))
    app = cockpit(sample, "settings")
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: f"bench 4242 {said}" in screen_text(app))


async def test_while_a_campaign_runs_only_its_last_step_is_claimed(sample):
    app = cockpit(sample, "queue")
    async with app.run_test(size=(160, 36)) as pilot:
        await read(pilot, "queue")
        await until(pilot, lambda: f"↑1.41{TIMES}" in screen_text(app))
        await until(pilot, lambda: "over the champion before it" in screen_text(app))
        await until(pilot, lambda: "the whole waits for an audit" in screen_text(app))
        audited = audit(score(1.39, Verdict.SUPPORTED, "audit"))
        happens(sample, CampaignEventKind.AUDITED, audit=audited)
        await until(pilot, lambda: f"1.39{TIMES}" in screen_text(app))
        await until(pilot, lambda: "was measured at the last audit" in screen_text(app))
        total = audit(score(1.37, Verdict.SUPPORTED, "total"))
        happens(sample, CampaignEventKind.FINISHED, audit=total)
        await until(pilot, lambda: "last step" not in screen_text(app))
        await until(pilot, lambda: f"1.37{TIMES}" in screen_text(app))
        assert "↑" not in screen_text(app)


async def test_the_queue_and_the_leaderboard_sort_by_what_their_help_names(sample):
    for name, ratio, usd in (("c1120-000a", 1.5, 1.0), ("c1120-000b", 3.0, 0.5)):
        like(sample, name)
        happens(sample, CampaignEventKind.STARTED, name)
        total = audit(score(ratio, Verdict.SUPPORTED, name))
        happens(sample, CampaignEventKind.FINISHED, name, audit=total)
        pay(sample, name, None, usd)
    for number, usd in ((1, 0.1), (4, 0.9), (2, 0.3)):
        pay(sample, CAMPAIGN, f"{CAMPAIGN}-{number:04d}", usd)
    app = cockpit(sample, "queue", campaign_id=CAMPAIGN)
    async with app.run_test(size=(160, 40)) as pilot:
        screen = await read(pilot, "queue")
        await until(pilot, lambda: len(screen.table.ids) == 3 and len(app.view.speedups) == 2)
        first = {}
        for _ in SORTINGS:
            first[SORTINGS[screen._sorting][0]] = screen.table.ids[0]
            await pilot.press("s")
        assert first["largest gain first"] == "c1120-000b"
        assert first["most promoted"] == CAMPAIGN
        assert first["dearest first"] == CAMPAIGN
        app.choose(campaign_id=CAMPAIGN)
        await pilot.press("5")
        board = await read(pilot, "lineage")
        await until(pilot, lambda: "$0.90" in screen_text(app))
        found = {}
        for _ in BOARD_SORTINGS:
            found[BOARD_SORTINGS[board._sorting][0]] = [
                each for each in board.board_table.ids if each != "line"
            ]
            await pilot.press("s")
        assert found["dearest first"][0].endswith("0004")
        assert found["newest first"][0].endswith("0005")
        assert found["surest first"][0].endswith("0005")


def pay(sample: Sample, campaign_id: str, round_id: str | None, usd: float) -> None:
    sample.ledger.reserve(
        ChargeRecord(id=f"{campaign_id}/{round_id}/test", campaign_id=campaign_id, round_id=round_id,
                     role=ChargeRole.PROPOSER, model="m", reserved_usd=2 * usd, reserved_at=sample.tick())
    )  # fmt: skip
    sample.ledger.settle(f"{campaign_id}/{round_id}/test", actual_usd=usd, at=sample.tick())


def test_a_column_of_money_tells_real_from_reserved():
    assert paid_briefly(0.0, 0.0) == DASH
    assert paid_briefly(0.9, 0.0) == "$0.90"
    assert paid_briefly(0.9, 0.4) == "$0.50+"


# --- the machine and the wall --------------------------------------------------------------


def run_with(sample: Sample, **changes) -> Measurement:
    latest = sample.ledger.measurements(f"{CAMPAIGN}-0005")[-1]
    return dataclasses.replace(latest, disturbance=dataclasses.replace(disturbance(2.5), **changes))


def test_the_machine_line_has_load_others_gpus_and_trouble(sample):
    quiet, which = machine_line([run_with(sample, gpus=("0: 80 GiB free, 1980 MHz, 41 C, 300 W",))])
    text = "".join(part for part, _ in quiet)
    assert "load 2.5 · others 0.2 CPU-s · gpu 0: 80 GiB free, 1980 MHz, 41 C, 300 W" in text
    assert "▲" not in text
    assert which[0][0] == f"{Purpose.CONFIRM.value} 4 {Arm.CANDIDATE.value} "
    loud, _ = machine_line(
        [run_with(sample, is_disturbed=True, gpu_problems=("GPU 0 is held down by heat",))]
    )
    assert "▲ disturbed ▲ GPU 0 is held down by heat" in "".join(part for part, _ in loud)
    nothing, _ = machine_line([run_with(sample, load_1m=None, steal_s=None, others_cpu_s=None)])
    assert "cannot be told" in "".join(part for part, _ in nothing)
    assert "nothing was measured" in machine_line([])[0][0][0]


async def test_a_run_shows_the_machine_although_it_has_output_streams(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=(80, 24)) as pilot:
        await read(pilot, "run")
        await until(pilot, lambda: "step=300" in screen_text(app))
        assert "machine: load 0.8 · others 0.2 CPU-s" in screen_text(app)


@pytest.mark.parametrize("size", [(80, 24), (160, 44)])
async def test_every_screen_warns_while_the_chosen_campaign_has_no_sandbox(
    template, tmp_path, size
):
    shutil.copytree(template, tmp_path / "home")
    sample = Sample(tmp_path / "home")
    sample.worker()
    open_ = like(sample, "c1120-0bad", config={"backend": "process"})
    app = cockpit(sample, "queue", campaign_id=open_.id)
    async with app.run_test(size=size) as pilot:
        screen = await read(pilot, "queue")
        for key, mode in SCREENS.items():
            await pilot.press(key)
            await until(pilot, lambda mode=mode: app.screen.mode == mode)
            await until(pilot, lambda: "▲ process: no isolation" in screen_text(app))
        await pilot.press("1")
        screen.table.select_id(CAMPAIGN)
        await until(pilot, lambda: app.campaign_id == CAMPAIGN)
        for key in SCREENS:
            await pilot.press(key)
            await pilot.pause(0.05)
            assert "no isolation" not in screen_text(app)


@pytest.mark.parametrize(("assurance", "is_open"), [("none", True), ("bubblewrap", False)])
async def test_a_backend_of_another_name_without_isolation_is_warned_of_too(
    sample, assurance, is_open
):
    campaign = like(sample, "c1120-0wal", config={"backend": "walled"})
    champion, round_id = sample.lineage.champion(), "c1120-0wal-0001"
    sample.ledger.add_round(RoundRecord(id=round_id, campaign_id=campaign.id, number=1, champion_commit=champion,
                                        created_at=sample.tick()))  # fmt: skip
    sample._step(round_id, Step.OPEN, champion_commit=champion, assurance=assurance)
    app = cockpit(sample, "queue", campaign_id=campaign.id)
    async with app.run_test(size=(80, 24)) as pilot:
        await read(pilot, "queue")
        await until(
            pilot, lambda: app.view.campaign is not None and len(app.view.campaign.rounds) == 1
        )
        await until(pilot, lambda: ("▲ walled: no isolation" in screen_text(app)) == is_open)


async def test_what_is_highlighted_in_the_queue_is_what_keys_act_on(sample):
    like(sample, "c1120-two")
    app = cockpit(sample, "queue", campaign_id=CAMPAIGN)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await read(pilot, "queue")
        await until(pilot, lambda: screen.table.current_id == CAMPAIGN)
        ask(sample, RequestKind.PAUSE)
        await until(pilot, lambda: app.view.campaign.is_pause_asked)
        await pilot.press("p")
        await until(pilot, lambda: len(sample.ledger.requests()) == 2)
        assert sample.ledger.requests()[-1].kind is RequestKind.RESUME
        await pilot.press("2", "comma")
        await until(pilot, lambda: app.campaign_id == "c1120-two")
        await pilot.press("1")
        await until(pilot, lambda: screen.table.current_id == "c1120-two")
        await pilot.press("slash", *"4f2a", "enter")
        assert screen.table.current_id == app.campaign_id == CAMPAIGN


async def test_the_run_follows_a_live_control_and_begins_anew_with_another_campaign(sample):
    other = like(sample, "c1120-two")
    for number in (1, 2):
        opened_round(sample, other.id, number)
    app = cockpit(sample, "run", campaign_id=CAMPAIGN)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await read(pilot, "run")
        await until(pilot, lambda: len(screen.table.ids) == 5)
        control = opened_round(sample, CAMPAIGN, -1)
        await until(pilot, lambda: screen.table.current_id == control)
        assert "  c1 " in screen_text(app)
        await pilot.press("k", "k", "k")
        await until(pilot, lambda: screen.table.is_moved_by_person)
        await pilot.press("comma")
        await until(pilot, lambda: screen.table.current_id == "c1120-two-0002")
        third = opened_round(sample, other.id, 3)
        await until(pilot, lambda: screen.table.current_id == third)


def opened_round(sample: Sample, campaign_id: str, number: int) -> str:
    record = RoundRecord(
        id=round_id_of(campaign_id, number), campaign_id=campaign_id, number=number,
        champion_commit="a" * 40, created_at=sample.tick(), is_control=number < 0,
    )  # fmt: skip
    sample.ledger.add_round(record)
    return record.id


async def test_a_campaign_is_silent_when_not_even_output_comes(sample):
    sample.now = datetime.now(UTC) - timedelta(hours=2)
    (round_id,) = sample.play(
        sample.campaign("c1120-live"), (dataclasses.replace(IDEAS[4], ends="measure"),)
    )
    app = cockpit(sample, "run", campaign_id="c1120-live")
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, "run")
        await until(pilot, lambda: "nothing new for" in screen_text(app))
        sample.ledger.add_log(
            LogChunk(
                round_id=round_id, stream="screen/9/candidate", seq=0, at=sample.now, content=b"x"
            )
        )
        await until(pilot, lambda: "nothing new for" not in screen_text(app))


async def test_a_round_of_another_campaign_is_chosen_with_its_campaign(sample):
    like(sample, "c1120-two")
    app = cockpit(sample, "lineage", campaign_id="c1120-two")
    async with app.run_test(size=(140, 40)) as pilot:
        screen = await read(pilot, "lineage")
        await until(pilot, lambda: len(screen.tree_table.ids) == 6)
        await pilot.press("j")
        await until(pilot, lambda: app.round_id == f"{CAMPAIGN}-0001")
        assert app.campaign_id == CAMPAIGN


async def test_only_a_campaign_that_waits_in_the_queue_goes_sooner_or_later(sample):
    like(sample, "c1120-two")
    app = cockpit(sample, "queue", campaign_id=CAMPAIGN)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await read(pilot, "queue")
        await until(pilot, lambda: screen.table.current_id == CAMPAIGN)
        await pilot.press("K", "J")
        screen.table.select_id("c1120-two")
        await pilot.press("K")
        await until(pilot, lambda: bool(sample.ledger.requests()))
        assert [each.campaign_id for each in sample.ledger.requests()] == ["c1120-two"]


async def test_the_filter_of_the_log_is_opened_with_what_it_is(sample):
    app = cockpit(sample, "run")
    async with app.run_test(size=(120, 40)) as pilot:
        await read(pilot, "run")
        await pilot.press("slash", *"step=30", "enter", "slash")
        assert app.focused.value == "step=30"
        await pilot.press("enter")
        assert "/step=30" in screen_text(app)


async def test_the_palette_has_the_commands_of_the_focused_pane(sample):
    app = cockpit(sample, "gate")
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await read(pilot, "gate")
        await until(pilot, lambda: screen.diff.hunk_count > 0 and screen.diff.has_focus)
        assert not screen.diff.is_split
        await pilot.press("colon", *"side by side")
        await pilot.pause(0.6)
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.diff.is_split)


async def test_a_chain_that_could_not_be_read_once_is_read_again(sample):
    app = cockpit(sample, "controls")
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await read(pilot, "controls")
        await until(pilot, lambda: "intact" in screen_text(app))
        screen._chain_unreadable(LedgerError("locked"))
        await until(pilot, lambda: "cannot be read: locked" in screen_text(app))
        ask(sample, RequestKind.PAUSE)
        await until(pilot, lambda: "intact" in screen_text(app))


async def test_a_decision_that_was_cut_off_shows_on_the_controls(sample):
    decided = sample.ledger.decisions(f"{CAMPAIGN}-0002")
    assert len(decided) == 1
    with sqlite3.connect(sample.home.ledger_path) as connection:
        connection.execute("DROP TRIGGER gate_no_delete")
        connection.execute("DELETE FROM gate")
    app = cockpit(sample, "controls")
    async with app.run_test(size=(90, 40)) as pilot:
        await read(pilot, "controls")
        said = "carried out a decision (approve) that is not there: its end was cut off"
        await until(pilot, lambda: said in " ".join(screen_text(app).split()))


async def test_a_log_goes_over_to_the_newest_stream_while_the_former_is_fetched():
    asked: list[Future[tuple[LogChunk, ...]]] = []
    log = LogView(heading="Output")
    follower = LogFollower()

    class Stage(App[None]):
        def compose(self) -> ComposeResult:
            yield log

        def ask_ledger(self, _: object) -> Future[tuple[LogChunk, ...]]:
            asked.append(Future())
            return asked[-1]

    app = Stage()
    async with app.run_test() as pilot:
        follower.follow(app, "r", ("one",), log)
        follower.follow(app, "r", ("one", "two"), log)
        assert len(asked) == 1
        asked[0].set_result(())
        await until(pilot, lambda: len(asked) == 2)
        assert log.heading == "Output: two"
