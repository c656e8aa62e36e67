"""What happens next is said in words that are true: who decides, what is waited for, what comes after."""

from dataclasses import replace

import pytest
from tests.tui.ledgers import Idea, Sample

from rsi.agent.policy.controls import LOCKED
from rsi.agent.store.records import CampaignEventKind, CampaignState
from rsi.tui.lines.controls_brief import autonomy_brief, how_it_holds, time_brief
from rsi.tui.lines.next_steps import POLICY_S, coming_lines, gate_next, is_policys, next_text
from rsi.tui.lines.queue import state_shown
from rsi.tui.model.code import Code
from rsi.tui.reading.reader import Interest, Reader


def look(sample: Sample, campaign_id: str = "c1120-4f2a"):
    view = Reader(sample.ledger, Code(sample.home)).read(Interest(campaign_id=campaign_id))
    return view, view.summary(campaign_id), view.campaign


def with_level(item, level: int, **case):
    """The same candidate in a campaign of another level of autonomy."""
    config = replace(item.campaign.record.config, autonomy=level)
    record = replace(item.campaign.record, config=config)
    shown = replace(item.round, case=replace(item.round.case, **case))
    return replace(item, campaign=replace(item.campaign, record=record), round=shown)


def test_a_person_is_named_where_a_person_decides(sample):
    view, summary, campaign = look(sample)
    (item,) = view.gate
    assert not is_policys(item, 1.0)
    assert next_text(view, summary, campaign, 1.0) == "you decide about round 5, then round 6 of 8 begins"  # fmt: skip
    assert gate_next(item, 1.0) == (
        "it waits: approved, it becomes the champion; rejected, the champion stays; either way round 6 of 8 begins"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("level", "case", "waited_s", "expected"),
    [
        (3, {}, 1.0, True),
        (2, {}, 1.0, True),
        (1, {}, 1.0, False),
        (2, {"held_by": ("numerics",)}, 1.0, False),
        (3, {"held_by": ("numerics",)}, 1.0, True),
        (3, {"unearned": ("3 null patches were tried (so far 0)",)}, 1.0, False),
        # A level that controls have taken back leaves it to a person, which the waiting itself shows.
        (3, {}, POLICY_S + 1, False),
    ],
)
def test_policy_is_named_only_where_it_is_about_to_decide(sample, level, case, waited_s, expected):
    view, _, _ = look(sample)
    item = with_level(view.gate[0], level, **case)
    assert is_policys(item, waited_s) is expected
    assert ("policy decides" in gate_next(item, waited_s)) is expected


def test_each_state_of_a_campaign_says_what_comes(sample):
    def said(kind: CampaignEventKind, reason: str = "") -> str:
        from rsi.agent.store.events import CampaignEvent

        sample.ledger.add_campaign_event(
            CampaignEvent(campaign_id="c1120-4f2a", kind=kind, at=sample.tick(), reason=reason)
        )
        view, summary, campaign = look(sample)
        return next_text(view, summary, campaign, 0.0)

    assert said(CampaignEventKind.PAUSED) == "it stands still until p lets it go on"
    assert "the disk is full" in said(CampaignEventKind.PARKED, "the disk is full")
    assert "rsi report c1120-4f2a" in said(CampaignEventKind.STOPPED)


def test_a_campaign_that_has_not_begun_says_what_it_waits_for(sample):
    sample.ledger.add_campaign(
        replace(sample.ledger.campaign("c1120-4f2a"), id="c1120-new", created_at=sample.tick())
    )
    view, summary, _ = look(sample, "c1120-new")
    assert summary.state is CampaignState.QUEUED
    assert next_text(view, summary, None, 0.0) == "it begins after c1120-4f2a"
    first = replace(view, waits_for={"c1120-new": ""})
    assert next_text(first, summary, None, 0.0) == "it begins as soon as a worker is free"
    assert "rsi worker" in next_text(replace(first, workers=()), summary, None, 0.0)


@pytest.mark.parametrize(
    ("ends", "said"),
    [("propose", "propose, commit, critique, admit, measure, score, review, then you decide"),
     ("measure", "measure, score, review, then you decide"),
     ("refuted", "round 1 is done; now round 2 of 3 begins")],
)  # fmt: skip
def test_a_round_under_way_says_which_steps_are_left_and_who_decides(tmp_path, ends, said):
    made = Sample(tmp_path / "home")
    record = made.campaign(rounds=3)
    made.play(record, (Idea(title="an idea", ends=ends, ratio=0.7, files=(("train.py", "x\n"),)),))
    view, summary, campaign = look(made)
    assert next_text(view, summary, campaign, 0.0).endswith(said)
    lines = coming_lines(view, campaign)
    assert [each[0][0] for each in lines] == ["c1120-4f2a  "]
    made.ledger.close()


def test_the_brief_names_what_the_lowest_level_lacks():
    lines = autonomy_brief({2: ("3 nulls",), 3: ("6 nulls",)}, 1)
    assert [text for text, _ in lines[1]] == ["○ level 2 lacks: ", "3 nulls"]
    assert "every level is earned" in autonomy_brief({2: (), 3: ()}, 2)[1][0][0]
    assert len(autonomy_brief(None, 1)) == 1
    assert time_brief(()) != []


@pytest.mark.parametrize(
    ("level", "case", "said"),
    [
        (1, {"held_by": ("numerics",)}, ""),
        (2, {"held_by": ("numerics",)}, "at level 2 a person decides about what is held"),
        (2, {"drawn": "drawn for a person's look"}, "drawn for a person's look"),
        (3, {"unearned": ("3 null patches were tried (so far 0)",)}, "lacks that 3 null patches"),
        (3, {"held_by": (f"{LOCKED}an audit failed",)}, "an audit failed"),
        (3, {}, "its worker is gone, or the level was taken back"),
    ],
)
def test_where_policy_may_promote_it_is_said_why_a_person_is_waited_for(sample, level, case, said):
    view, summary, campaign = look(sample)
    item = with_level(view.gate[0], level, **case)
    waited_s = POLICY_S + 1
    assert said in gate_next(item, waited_s)
    assert ("because" in gate_next(item, waited_s)) is bool(said)
    of_queue = next_text(replace(view, gate=(item,)), summary, campaign, waited_s)
    assert said in of_queue
    assert of_queue.endswith(", then round 6 of 8 begins")


def test_only_one_of_three_ways_to_a_level_is_named():
    ways = {"is_granted": False, "is_claim_free": False, "is_earned": False}
    assert how_it_holds(2, **ways | {"is_granted": True}).startswith("granted")
    assert how_it_holds(2, **ways | {"is_claim_free": True}).startswith("free")
    assert how_it_holds(2, **ways | {"is_earned": True}).startswith("earned")
    assert "not earned yet" in how_it_holds(2, **ways)
    assert "neither" in how_it_holds(1, **ways | {"is_earned": True})


def test_a_campaign_that_waits_for_a_person_is_not_said_to_run(sample):
    _, summary, _ = look(sample)
    assert state_shown(summary, is_waiting=True)[0] == "▲ waits"
    assert state_shown(summary, is_waiting=False)[0] == "● running"
    several = replace(summary.record, config=replace(summary.record.config, parallel=2))
    assert state_shown(replace(summary, record=several), is_waiting=True)[0] == "● running"
