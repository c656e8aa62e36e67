"""A stack measured again for real: the gain helps, the comment on top of it does not, and the samples are kept."""

import pytest
from tests.backends import quickest_backend

from rsi.agent.store.codec import encode
from rsi.agent.store.records import PromotionRecord, utc_now
from rsi.agent.trust.ablation import PartVerdict
from rsi.agent.trust.stack_audit import STREAM, NothingToAuditError, audit_candidate, audit_lineage
from rsi.sandboxes.types import FileEntry


@pytest.fixture
def backend():
    return quickest_backend()


def test_a_lineage_without_promotions_has_nothing_to_audit(past, home):
    with pytest.raises(NothingToAuditError, match="no stack yet"):
        audit_lineage(home, past.ledger, "past")


def test_what_was_not_admitted_is_not_run_to_take_it_apart(past, home):
    round_id = past.round("01_edits_the_entry", "not_admitted")
    with pytest.raises(NothingToAuditError, match="no admitted candidate"):
        audit_candidate(home, past.ledger, round_id)


@pytest.mark.slow
def test_a_gain_helps_and_a_comment_on_top_of_it_is_no_gain(past, home, backend):
    clear = (1.5, 1.5, 1.5)
    gain = past.round("02_row_sums_once", "promoted", ratios=clear, confirm=clear, review=("ok",))
    _promote_a_comment(past, gain)
    told = []
    found = audit_lineage(
        home, past.ledger, "past", backend=backend, pairs=4, is_leave_one_out=True,
        progress=told.append, session_gap_s=0.0,
    )  # fmt: skip
    assert found.score.effect.low > 1.2
    first, second = found.parts
    assert first.verdict is PartVerdict.HELPS
    assert second.verdict in {PartVerdict.BARNACLE, PartVerdict.UNCLEAR, PartVerdict.HARMS}
    (stream,) = [each for each in past.ledger.log_streams(gain) if each.startswith(STREAM)]
    kept = past.ledger.log(gain, stream)
    assert [b'"whole"' in each.content for each in kept] == [True, False, False]
    assert len(told) >= 3 * 2 * 4
    assert encode(found)

    larger = audit_lineage(
        home, past.ledger, "past", backend=backend, pairs=3, is_transfer=True, session_gap_s=0.0
    )
    assert (found.profile, larger.profile) == ("smoke", "large")
    assert larger.score.effect.low > 1.2


def _promote_a_comment(past, round_id):
    champion = past.lineage.champion()
    head, *rest = past.lineage.tree(champion)
    tree = (FileEntry(path=head.path, content=head.content + b"\n# a remark\n"), *rest)
    commit = past.lineage.commit_candidate("remark", champion, tree, "a remark", {}, at=utc_now())
    past.lineage.move_champion(champion, commit, "remark")
    past.ledger.add_promotion(
        PromotionRecord(
            lineage="past", round_id=round_id, old_commit=champion, new_commit=commit,
            score_digest="d", at=utc_now(), actor="policy:3",
        )
    )  # fmt: skip
