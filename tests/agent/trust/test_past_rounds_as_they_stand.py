"""What lists, reports, briefs and the search say of a round after it was sent back, or its promotion undone."""

from dataclasses import replace

import pytest
from tests.facts import report, score

from rsi.agent.memory import notebook
from rsi.agent.policy.rollbacks import roll_back, rolled_back
from rsi.agent.report.campaign_report import build_report
from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.run.steps.briefing import compose_brief, past_reports
from rsi.agent.run.steps.searching import plan_round
from rsi.agent.store.records import DecisionAction, RoundRecord, Step, utc_now
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.steps.values import Accuracy, Cost, RoundReport
from rsi.agent.trust.stack_audit import NothingToAuditError, audit_candidate
from rsi.evals.types import Finding, Interval, Purpose, Severity
from rsi.tui.model.code import Code
from rsi.tui.reading.reader import Interest, Reader

FAST = Interval(estimate=1.84, low=1.8, high=1.88, confidence=0.95, pairs=4)
SCORE = score(effect=FAST)
IMPORTS_OS = Finding(
    rule="imports", severity=Severity.BLOCK, file="run.py", line=1, message="imports os", source="rules"
)  # fmt: skip


@pytest.fixture
def campaign_context(home, ledger, past):
    return open_campaign_context(home, ledger, past.campaign)


def next_context(past, campaign_context, number):
    """The context of one more idea, on the champion of now."""
    round_id = f"{past.campaign.id}-{number:04d}"
    past.ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=past.campaign.id, number=number,
            champion_commit=past.lineage.champion(), created_at=utc_now(),
        )
    )  # fmt: skip
    past._step(round_id, Step.OPEN, "ok", floor_s=0.1)
    return campaign_context.context(round_id)


def praise(past, round_id, hypothesis, commit):
    """What a promoted round left for the notebook."""
    praised = RoundReport(
        round_id=round_id, round_number=1, task="toy", outcome="promoted", hypothesis=hypothesis,
        changed="solve.py: +1 -1 lines", diff="", predicted_ratio=1.5, effect=FAST, verdict="supported",
        why="", lesson="promoted. Measured 1.84x.", accuracy=Accuracy.UNDERSHOOT, cost=Cost(),
        base_commit=past.lineage.baseline(), commit=commit, is_promoted=True,
    )  # fmt: skip
    past._step(round_id, Step.REPORT, "ok", report=praised)


@pytest.fixture
def promoted(past, campaign_context):
    """A fast round that was promoted and praised."""
    context = next_context(past, campaign_context, 1)
    base = past.lineage.baseline()
    commit = past.commit(context.round_id, "02_row_sums_once")
    past._step(context.round_id, Step.PROPOSE, "ok", hypothesis="sum the rows in one go")
    past._step(context.round_id, Step.COMMIT, "ok", commit=commit, parent=base)
    past._step(context.round_id, Step.SCORE, "supported", score=SCORE)
    past._pair(context.round_id, Purpose.SCREEN, 0, 2.0, 0.003)
    past._step(context.round_id, Step.DECIDE, "approve", actor="policy:3")
    past._step(context.round_id, Step.PROMOTE, "promoted", new_commit=commit)
    past._promote(context.round_id, base, commit)
    praise(past, context.round_id, "sum the rows in one go", commit)
    return commit


def test_a_promotion_is_what_worked_best_until_it_is_rolled_back(past, campaign_context, promoted):
    before = compose_brief(next_context(past, campaign_context, 2))
    assert "What worked best:\n- round 1 promoted" in before.notebook
    assert "result of 1 promoted change, commit" in before.score_profile

    roll_back(
        past.ledger, past.lineage, past.lineage.baseline(), actor="person:ada", reason="it cheats"
    )
    context = next_context(past, campaign_context, 3)
    after = compose_brief(context)
    assert "What worked best" not in after.notebook
    assert "round 1 rolled_back" in after.notebook
    assert "Rolled back by person:ada: it cheats" in after.notebook
    assert "The champion is the unchanged baseline, commit" in after.score_profile
    (again,) = notebook.duplicates(
        past_reports(context), hypothesis="sum the rows in one go", diff=""
    )
    assert "ended rolled_back: Rolled back by person:ada: it cheats" in again.text


def test_the_search_builds_on_no_commit_that_was_rolled_back(past, campaign_context, promoted):
    searching = replace(
        campaign_context, config=replace(campaign_context.config, strategy="tree:pick=argmax")
    )
    assert plan_round(searching, 2, past.lineage.champion()).parent == promoted
    base = past.lineage.baseline()
    roll_back(past.ledger, past.lineage, base, actor="person:ada", reason="it cheats")
    assert plan_round(searching, 2, base).parent == base


def test_only_what_left_the_champions_history_was_rolled_back(past, promoted):
    base = past.lineage.baseline()
    record = past.ledger.promotions("past")
    assert rolled_back(past.lineage, record) == {}
    second = past.commit("later", "01_null", base=promoted)
    past._promote(past.ledger.rounds(past.campaign.id)[0].id, promoted, second)
    move = roll_back(past.ledger, past.lineage, promoted, actor="person:ada", reason="slow")
    assert rolled_back(past.lineage, past.ledger.promotions("past")) == {second: move}
    all_back = roll_back(past.ledger, past.lineage, base, actor="person:ada", reason="it cheats")
    undone = rolled_back(past.lineage, past.ledger.promotions("past"))
    assert undone == {second: move, promoted: all_back}


@pytest.fixture
def sent_back(past, campaign_context):
    """The context of a round whose confirmed candidate a person sent back; its next version did not run."""
    context = next_context(past, campaign_context, 1)
    base, round_id = past.lineage.baseline(), context.round_id
    first = past.commit(round_id, "02_row_sums_once")
    past._step(
        round_id, Step.PROPOSE, "ok", hypothesis="sum the rows in one go", predicted_ratio=1.5
    )
    past._step(round_id, Step.COMMIT, "ok", commit=first, parent=base)
    past._step(round_id, Step.ADMIT, "ok", findings=())
    past._step(round_id, Step.SCORE, "supported", score=SCORE)
    past._step(
        round_id, Step.REVIEW, "ok", confirm=SCORE, score_digest="5" * 64, held_by=("too good",), findings=(),
    )  # fmt: skip
    past._pair(round_id, Purpose.SCREEN, 0, 1.84, 0.003)
    past._step(
        round_id, Step.DECIDE, "revise", action=DecisionAction.REVISE, actor="person:ada",
        reason="use the standard library",
    )  # fmt: skip
    return context


def fail_again(past, context):
    base = past.lineage.baseline()
    second = past.commit(context.round_id, "01_null", attempt=1)
    past._step(
        context.round_id, Step.PROPOSE, "ok", attempt=1, hypothesis="math.fsum", predicted_ratio=1.2
    )
    past._step(context.round_id, Step.COMMIT, "ok", attempt=1, commit=second, parent=base)
    past._step(context.round_id, Step.ADMIT, "not_admitted", attempt=1, findings=(IMPORTS_OS,))
    past._step(context.round_id, Step.REPORT, "ok", attempt=1, report=report(why="imports os"))
    return second


def test_what_was_sent_back_is_no_fact_of_the_round_that_failed_after_it(past, ledger, sent_back):
    record = sent_back.record
    second = fail_again(past, sent_back)
    line = RoundBook(ledger).one(record.id)
    assert (line.ended_as, line.commit, line.hypothesis) == ("not_admitted", second, "math.fsum")
    assert (line.effect, line.tier, line.decided_by) == (None, None, None)
    (reported,) = build_report(ledger, past.lineage, record.campaign_id).rounds
    assert (reported.confirm, reported.plausibility) == (None, "")
    assert (line.held_by, line.findings, line.reason) == ((), (IMPORTS_OS,), "imports os")
    with pytest.raises(NothingToAuditError, match="no admitted candidate"):
        audit_candidate(sent_back.campaign.home, ledger, record.id)


def test_an_idea_keeps_its_words_while_its_next_version_is_written(ledger, sent_back):
    line = RoundBook(ledger).one(sent_back.record.id)
    assert (line.state.attempt, line.hypothesis, line.effect) == (1, "sum the rows in one go", None)


def test_who_writes_the_next_version_is_shown_the_one_that_was_sent_back(past, sent_back):
    assert compose_brief(sent_back).last_version is None
    sent_back.attempt = 1
    brief = compose_brief(sent_back)
    assert brief.feedback == "use the standard library"
    assert "sum the rows in one go" in brief.last_version
    assert "+++ b/" in brief.last_version
    assert "</data-" in brief.last_version


def test_the_champions_facts_are_those_of_the_version_that_was_promoted(
    past, campaign_context, sent_back
):
    context, base = sent_back, past.lineage.baseline()
    commit = past.commit(context.round_id, "03_score_pairs_not_positions", attempt=1)
    slow = score(effect=replace(FAST, estimate=1.2))
    past._step(context.round_id, Step.COMMIT, "ok", attempt=1, commit=commit, parent=base)
    past._step(context.round_id, Step.SCORE, "supported", attempt=1, score=slow)
    past._pair(context.round_id, Purpose.SCREEN, 0, 3.0, 0.003, attempt=1, seconds=7.0)
    past._pair(context.round_id, Purpose.AUDIT, 0, 3.0, 0.003, seconds=0.5)
    past._promote(context.round_id, base, commit)
    praise(past, context.round_id, "a window", commit)
    facts = compose_brief(next_context(past, campaign_context, 2)).score_profile
    assert "its fit_cpu was 7 s, the median" in facts


def test_the_gate_draws_the_pairs_of_the_version_that_lies_there(past, ledger, sent_back):
    record = sent_back.record
    reader = Reader(ledger, Code(sent_back.campaign.home))
    interest = Interest(campaign_id=record.campaign_id, round_id=record.id)
    assert reader.read(interest).round.points == ()
    fail_again(past, sent_back)
    for pair in range(2):
        past._pair(record.id, Purpose.SCREEN, pair, 1.1, 0.003, attempt=1)
    ratios = [each.ratio for each in reader.read(interest).round.points]
    assert ratios == pytest.approx([1.1, 1.1])
