"""The champion against the baseline between rounds: every so many promotions, once each, whatever was killed."""

import signal

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.cli.parser import build_parser
from rsi.agent.cli.verbs.running import config_from
from rsi.agent.policy.audits import audits_in, claimed_speedup
from rsi.agent.policy.settings import CampaignConfigError
from rsi.agent.store.codec import decode
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import CampaignEventKind, CampaignState
from rsi.agent.store.round_book import RoundBook
from rsi.evals.types import Purpose

GAIN, MORE = "02_row_sums_once", ("03_score_pairs_not_positions", "04_count_in_c")
PLACES = ("audit:before", "audit:after")

pytestmark = pytest.mark.slow


def audited(ledger, campaign_id):
    events = ledger.campaign_events(campaign_id)
    return [each for each in events if each.kind is CampaignEventKind.AUDITED]


def audit_runs(ledger, round_id):
    runs = ledger.measurements(round_id, Purpose.AUDIT)
    return [(each.pair, each.arm) for each in runs]


def charged_s(ledger, round_id, work):
    charges = ledger.charges(round_id=round_id)
    return sum(each.device_s for each in charges if each.id.startswith(f"{round_id}/{work}"))


def test_an_audit_after_every_promotion_survives_kills_and_is_made_once(
    home, ledger, queue, work, idea, capsys
):
    campaign_id = queue(
        [idea(GAIN, predicted=2.5), idea("01_null", predicted=1.0), idea(*MORE, predicted=1.7)],
        audit_every=1,
    )
    for place in PLACES:
        status, log = work(place)
        assert status == -signal.SIGKILL, (place, log)
        assert ledger.verify_chain().is_intact
        assert ledger.campaign_summary(campaign_id).state is CampaignState.RUNNING
    (first,) = audited(ledger, campaign_id)
    assert claimed_speedup(ledger.campaign_events(campaign_id)).low > 1.0, (
        "shown before the campaign is over"
    )
    status, log = work()
    assert status == 0, log

    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [lines[0].ended_as, lines[2].ended_as] == ["promoted", "promoted"]
    found = audited(ledger, campaign_id)
    assert found[0] == first
    assert [each.audit.round_id for each in found] == [lines[0].record.id, lines[2].record.id]
    assert [each.audit.champion_commit for each in found] == [lines[0].commit, lines[2].commit]
    baseline = Lineage.open(home, ledger.campaign(campaign_id).lineage).baseline()
    assert {each.audit.baseline_commit for each in found} == {baseline}
    for line in (lines[0], lines[2]):
        runs = audit_runs(ledger, line.record.id)
        assert runs
        assert len(runs) == len(set(runs))
        took_s = sum(each.wall_s for each in ledger.measurements(line.record.id, Purpose.AUDIT))
        assert charged_s(ledger, line.record.id, "audit") == pytest.approx(took_s)
    assert not audit_runs(ledger, lines[1].record.id)
    # The last round's audit is of the champion that the campaign ended with: not measured a second time.
    audits = audits_in(ledger.campaign_events(campaign_id))
    assert [each.round_id for each in audits] == [lines[0].record.id, lines[2].record.id, None]
    assert (
        audits[1].effect == audits[2].effect == claimed_speedup(ledger.campaign_events(campaign_id))
    )
    assert main(["show", lines[0].record.id]) == 0
    assert "claim       promoted: confirmed, approved" in capsys.readouterr().out
    assert main(["report", campaign_id]) == 0
    assert "against the original baseline" in (home.reports / campaign_id / "report.md").read_text(
        encoding="utf-8"
    )


def test_a_campaign_that_was_queued_without_the_setting_audits_at_the_end_alone(
    ledger, queue, work, idea
):
    stored = decode(CampaignConfig, '{"task_root":"/t","rounds":1,"proposer":"scripted:x"}')
    assert stored.audit_every == 0
    campaign_id = queue([idea(GAIN, predicted=2.5)])
    status, log = work()
    assert status == 0, log
    assert not audited(ledger, campaign_id)
    assert [each.round_id for each in audits_in(ledger.campaign_events(campaign_id))] == [None]


def test_only_every_second_promotion_is_audited_when_asked_so(ledger, queue, work, idea):
    campaign_id = queue([idea(GAIN, predicted=2.5), idea(*MORE, predicted=1.7)], audit_every=2)
    status, log = work()
    assert status == 0, log
    (event,) = audited(ledger, campaign_id)
    assert event.audit.round_id == RoundBook(ledger).of_campaign(campaign_id)[1].record.id


@pytest.mark.parametrize(("words", "every"), [((), 5), (("--audit-every", "0"), 0)])
def test_rsi_run_asks_for_audits_unless_told_otherwise(words, every):
    args = build_parser().parse_args(["run", "toy", *words])
    assert config_from(args, "/t").audit_every == every


def test_a_negative_number_of_promotions_is_refused(queue, idea):
    with pytest.raises(CampaignConfigError, match="audit_every is -1"):
        queue([idea(GAIN)], audit_every=-1)
