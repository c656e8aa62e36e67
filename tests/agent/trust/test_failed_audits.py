"""An audit that does not support the champion: no headline, a lock, a warning everywhere, and the way back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.policy.audits import STREAM, WHOLE, claimed_speedup, failed_audit
from rsi.agent.policy.controls import lock_reasons
from rsi.agent.policy.rollbacks import roll_back
from rsi.agent.report.campaign_report import build_report
from rsi.agent.report.html_page import html_page
from rsi.agent.report.markdown_page import markdown_page
from rsi.agent.report.tally import tally
from rsi.agent.store.codec import encode
from rsi.agent.store.events import Audit, CampaignEvent
from rsi.agent.store.records import (
    CampaignEventKind,
    LogChunk,
    PromotionRecord,
    utc_now,
)
from rsi.evals.types import Interval, Score, Verdict
from rsi.sandboxes.types import FileEntry
from rsi.tui.lines.queue import known_lines
from rsi.tui.model.code import Code
from rsi.tui.reading.reader import Interest, Reader

ADA = {"actor": "person:ada", "reason": "the audit"}
REASON = "quality: excess_bpb: candidate minus champion [+0.0045, +0.0088] against the margin 0.004: worse"
SCORE = Score(
    verdict=Verdict.SUPPORTED,
    reason="the lower bound 2.2 is above 1.050",
    effect=Interval(estimate=2.4, low=2.2, high=2.6, confidence=0.95, pairs=4),
    wall_effect=None,
    quality=(),
    guards=(),
    pairs_used=4,
    pairs_invalid=0,
    outcomes={"ok": 4},
    is_plausible=True,
    plausibility="",
    digest="5" * 64,
)
BAD = (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.INVALID)


@pytest.fixture
def stack(past):
    """Two promotions on top of each other; returns the baseline and their commits, oldest first."""
    past.rounds = [past.round("01_null", "refuted") for _ in range(3)]
    commits = [past.lineage.baseline()]
    for number in (0, 1):
        commits.append(promote(past, commits[-1], number))
    return commits


def promote(past, old, number):
    round_id = past.rounds[number]
    tree = (*past.lineage.tree(old), FileEntry(path=f"part{number}.txt", content=b"more\n"))
    new = past.lineage.commit_candidate(round_id, old, tree, "part", at=utc_now(), attempt=1)
    past.lineage.move_champion(old, new, round_id)
    past.ledger.add_promotion(
        PromotionRecord(
            lineage="past", round_id=round_id, old_commit=old, new_commit=new, score_digest="d",
            at=utc_now(), actor="policy:3",
        )
    )  # fmt: skip
    return new


def audited(past, commit, verdict, kind=CampaignEventKind.AUDITED):
    reason = SCORE.reason if verdict is Verdict.SUPPORTED else REASON
    past.ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=past.campaign.id, kind=kind, at=utc_now(),
            audit=Audit(
                word="measured", round_id=past.rounds[0], baseline_commit=past.lineage.baseline(),
                champion_commit=commit, score=replace(SCORE, verdict=verdict, reason=reason),
            ),
        )
    )  # fmt: skip


def events(past):
    return past.ledger.campaign_events(past.campaign.id)


def locks(past):
    return lock_reasons(past.ledger, past.campaign)


def test_a_supported_audit_is_a_headline_and_locks_nothing(past, stack):
    audited(past, stack[2], Verdict.SUPPORTED)
    assert claimed_speedup(events(past)) == SCORE.effect
    assert tally(past.ledger, past.campaign.id).line.endswith(
        "speedup vs baseline: 2.40x [2.20, 2.60]"
    )
    assert not locks(past)
    assert failed_audit(past.ledger, "past") is None


@pytest.mark.parametrize("verdict", BAD)
@pytest.mark.parametrize("kind", [CampaignEventKind.AUDITED, CampaignEventKind.FINISHED])
def test_one_that_is_not_claims_nothing_locks_policy_and_names_the_way_back(
    past, stack, verdict, kind
):
    audited(past, stack[1], Verdict.SUPPORTED)
    audited(past, stack[2], verdict, kind)
    assert claimed_speedup(events(past)) is None
    line = tally(past.ledger, past.campaign.id).line
    assert line.endswith(f"speedup vs baseline: none, the audit is {verdict.value}")
    (reason,) = locks(past)
    assert f"is {verdict.value}: {REASON}" in reason
    assert f"rsi rollback past --to {stack[1][:12]} --reason" in reason


def test_the_way_back_leads_to_the_last_champion_that_an_audit_supported(past, stack):
    third = promote(past, stack[2], 2)
    audited(past, third, Verdict.REFUTED)
    assert failed_audit(past.ledger, "past").back_to == stack[2], "right before it"
    audited(past, stack[1], Verdict.SUPPORTED)
    audited(past, third, Verdict.REFUTED)
    assert failed_audit(past.ledger, "past").back_to == stack[1]


def test_without_another_champion_it_leads_to_the_baseline(past, stack):
    roll_back(past.ledger, past.lineage, stack[1], **ADA)
    audited(past, stack[1], Verdict.REFUTED)
    assert failed_audit(past.ledger, "past").back_to == stack[0]


def test_the_lock_holds_over_what_is_built_on_top_and_ends_with_a_rollback(past, stack):
    audited(past, stack[2], Verdict.REFUTED)
    promote(past, stack[2], 2)  # by a person, against the warning
    assert locks(past)
    roll_back(past.ledger, past.lineage, stack[1], **ADA)
    assert not locks(past)
    report = build_report(past.ledger, past.lineage, past.campaign.id)
    assert "taken back since" in html_page(report)


def test_the_lock_ends_with_a_newer_audit_that_supports_the_champion(past, stack):
    audited(past, stack[2], Verdict.INCONCLUSIVE)
    assert locks(past)
    audited(past, stack[2], Verdict.SUPPORTED)
    assert not locks(past)


@pytest.mark.parametrize(
    ("kept", "is_heard"),
    [({}, True), ({"profile": "large"}, False), ({"reference": "f" * 40}, False), ({"name": "part"}, False)],
)  # fmt: skip
def test_what_rsi_audit_found_counts_when_it_is_about_the_whole_at_this_size(
    past, stack, kept, is_heard
):
    audited(past, stack[2], Verdict.REFUTED)
    about = {"name": WHOLE, "profile": "smoke", "reference": stack[0], "subject": stack[2], **kept}
    past.ledger.add_log(
        LogChunk(
            round_id=past.rounds[1], stream=f"{STREAM}x", seq=0, at=utc_now() + timedelta(seconds=1),
            content=encode({**about, "score": SCORE, "measurements": []}).encode(),
        )
    )  # fmt: skip
    assert bool(locks(past)) is not is_heard


def test_queue_rounds_and_report_warn_and_offer_the_way_back(home, past, stack, capsys):
    audited(past, stack[2], Verdict.REFUTED)
    way = f"rsi rollback past --to {stack[1][:12]}"
    for words in (["queue"], ["rounds", past.campaign.id]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "is refuted: quality: excess_bpb" in out, words
        assert way in out, words
    report = build_report(past.ledger, past.lineage, past.campaign.id)
    for page in (html_page(report), markdown_page(report).replace("\\", "")):
        assert "No speedup is claimed: the audit of champion" in page
        assert way in page
        assert "The champion is" not in page


def test_the_cockpit_warns_in_its_queue(home, past, stack):
    audited(past, stack[2], Verdict.SUPPORTED)
    view = looked(home, past)
    assert view.speedups[past.campaign.id] == SCORE.effect
    assert not view.failed_audits
    audited(past, stack[2], Verdict.REFUTED)
    view = looked(home, past)
    assert past.campaign.id not in view.speedups
    said = "\n".join(text for each in known_lines(view, past.campaign.id) for text, _ in each)
    assert "is refuted: quality: excess_bpb" in said
    assert f"rsi rollback past --to {stack[1][:12]}" in said
    roll_back(past.ledger, past.lineage, stack[1], **ADA)
    assert not looked(home, past).failed_audits


def looked(home, past):
    return Reader(past.ledger, Code(home)).read(Interest())
