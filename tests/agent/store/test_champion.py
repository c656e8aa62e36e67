"""A champion's move in three parts, ended between any two of them: the next look finishes it, once."""

from datetime import UTC, datetime

import pytest

from rsi.agent.errors import (
    LedgerConflictError,
    LedgerUnavailableError,
    LineageBehindError,
    StaleChampionError,
    UnaccountedChampionError,
)
from rsi.agent.store.champion import (
    Standing,
    look_at_champion,
    move_champion,
    open_lineage,
    settle_champion,
)
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.records import (
    DecisionAction,
    DecisionRecord,
    PromotionKind,
    PromotionRecord,
)
from rsi.sandboxes.types import FileEntry

AT = datetime(2026, 11, 20, tzinfo=UTC)


class Broken(Exception):
    """What no code of ours expects."""


@pytest.fixture
def commits(started, lineage, new_round):
    """Baseline and three candidates of it, in a lineage that the ledger knows."""
    tree = (FileEntry(path="a.txt", content=b"0\n"),)
    made = [lineage.import_baseline(tree, "baseline")]
    for number in (1, 2, 3):
        started.add_round(new_round(number=number, champion_commit=made[0]))
        changed = (FileEntry(path="a.txt", content=b"%d\n" % number),)
        made.append(lineage.commit_candidate(f"c1-000{number}", made[-1], changed, "idea", at=AT))
    return made


@pytest.fixture
def started(ledger, new_campaign):
    ledger.add_campaign(new_campaign())
    return ledger


def promotion(old, new, round_id="c1-0001", **changes):
    values = {
        "lineage": "toy-main",
        "score_digest": "5" * 64,
        "actor": "policy:3",
        "reason": "fast",
    }
    return PromotionRecord(
        round_id=round_id, old_commit=old, new_commit=new, at=AT, **values | changes
    )


def approval(round_id, commit, **changes):
    values = {"action": DecisionAction.APPROVE, "actor": "policy:3", "reason": "fast"}
    return DecisionRecord(
        round_id=round_id, commit=commit, score_digest="5" * 64, at=AT, **values | changes
    )


def agrees(ledger, lineage, champion):
    assert look_at_champion(ledger, lineage).standing is Standing.AGREED
    assert settle_champion(ledger, lineage) == champion == lineage.champion()
    assert ledger.verify_chain().is_intact


def test_a_move_is_announced_carried_out_and_recorded(started, lineage, commits):
    move_champion(started, lineage, promotion(commits[0], commits[1]))
    agrees(started, lineage, commits[1])
    moves = started.moves("toy-main")
    assert moves.done == moves.announced == (promotion(commits[0], commits[1]),)
    assert moves.under_way is None
    with pytest.raises(StaleChampionError):
        move_champion(started, lineage, promotion(commits[0], commits[2], "c1-0002"))
    agrees(started, lineage, commits[1])


@pytest.mark.parametrize("ended_after", ["intent", "git"])
def test_a_move_cut_short_is_finished_by_whoever_looks(started, lineage, commits, ended_after):
    record = promotion(commits[0], commits[1])
    started.add_intent(record)
    if ended_after == "git":
        lineage.move_champion(commits[0], commits[1], "x")
    found = look_at_champion(started, lineage)
    assert found.standing is Standing.UNDER_WAY
    assert commits[1][:12] in found.said
    assert settle_champion(started, lineage) == commits[1]
    assert started.promotions("toy-main") == (record,)
    agrees(started, lineage, commits[1])


class Stubborn(Lineage):
    """Git that fails as long as it is told to."""

    __slots__ = ()
    error: Exception | None = None

    def move_champion(self, expected_old, new, reason):
        if Stubborn.error is not None:
            raise Stubborn.error
        return Lineage.move_champion(self, expected_old, new, reason)


@pytest.mark.parametrize("error", [Broken("x"), LedgerUnavailableError("x"), OSError(28, "full")])
def test_an_error_of_git_leaves_a_move_that_is_finished_later(started, lineage, commits, error):
    record, stubborn = (
        promotion(commits[0], commits[1]),
        Stubborn(name=lineage.name, git_dir=lineage.git_dir),
    )
    Stubborn.error = error
    try:
        with pytest.raises(type(error)):
            move_champion(started, stubborn, record)
        assert not started.promotions("toy-main")
        # Another campaign's promotion finishes this one first, and is stale then.
        Stubborn.error = None
        with pytest.raises(StaleChampionError):
            move_champion(started, stubborn, promotion(commits[0], commits[2], "c1-0002"))
    finally:
        Stubborn.error = None
    assert started.promotions("toy-main") == (record,)
    agrees(started, lineage, commits[1])


def test_a_second_move_is_not_announced_while_one_is_under_way(started, commits):
    assert started.add_intent(promotion(commits[0], commits[1]))
    assert not started.add_intent(promotion(commits[0], commits[1]))
    with pytest.raises(LedgerConflictError, match="is moved to"):
        started.add_intent(promotion(commits[0], commits[2], "c1-0002"))
    started.add_promotion(promotion(commits[0], commits[1]))
    with pytest.raises(LedgerConflictError, match="is moved to"):
        started.add_intent(promotion(commits[0], commits[2], "c1-0002"))


def test_a_late_record_of_a_move_that_was_rolled_back_since_is_no_second_promotion(
    started, lineage, commits
):
    record = promotion(commits[0], commits[1])
    move_champion(started, lineage, record)
    move_champion(started, lineage, promotion(commits[1], commits[0], kind=PromotionKind.ROLLBACK))
    assert not started.add_promotion(record)
    agrees(started, lineage, commits[0])
    move_champion(started, lineage, record)
    assert len(started.promotions("toy-main")) == 3, "announced anew, it may be promoted again"
    agrees(started, lineage, commits[1])


@pytest.mark.parametrize("kept", [0, 1])
def test_git_that_lost_moves_is_moved_on_to_the_ledgers_champion(started, lineage, commits, kept):
    for number in (1, 2):
        move_champion(
            started, lineage, promotion(commits[number - 1], commits[number], f"c1-000{number}")
        )
    lineage.move_champion(commits[2], commits[kept], "restored from an old copy")
    assert look_at_champion(started, lineage).standing is Standing.GIT_BEHIND
    assert settle_champion(started, lineage) == commits[2]
    assert len(started.promotions("toy-main")) == 2
    agrees(started, lineage, commits[2])


def test_a_champion_moved_by_hand_is_refused_and_left_where_it_is(started, lineage, commits):
    lineage.move_champion(commits[0], commits[3], "by hand")
    with pytest.raises(UnaccountedChampionError, match=r"rsi rollback toy-main --to [0-9a-f]{12} "):
        settle_champion(started, lineage)
    with pytest.raises(UnaccountedChampionError):
        move_champion(started, lineage, promotion(commits[0], commits[1]))
    assert lineage.champion() == commits[3]
    assert not started.promotions("toy-main")


@pytest.mark.parametrize(
    ("words", "is_finished"),
    [
        ([{}], True),
        ([{"action": DecisionAction.REJECT}], False),
        ([{}, {"action": DecisionAction.REJECT, "is_override": True}], False),
    ],
)
def test_a_promotion_that_an_older_version_never_recorded_is_recorded_from_its_approval(
    started, lineage, commits, words, is_finished
):
    for word in words:
        started.add_decision(approval("c1-0001", commits[1], **word))
    lineage.move_champion(commits[0], commits[1], "killed after this")
    if not is_finished:
        with pytest.raises(UnaccountedChampionError):
            settle_champion(started, lineage)
        return
    assert settle_champion(started, lineage) == commits[1]
    assert started.promotions(round_id="c1-0001") == (promotion(commits[0], commits[1]),)
    agrees(started, lineage, commits[1])


def test_a_repository_that_lacks_the_ledgers_champion_is_refused_with_the_commit(
    started, lineage, commits, tmp_path
):
    move_champion(started, lineage, promotion(commits[0], commits[1]))
    other = Home(root=tmp_path / "other").create()
    with pytest.raises(LineageBehindError, match=f"lacks commit {commits[1]}.*copy that folder"):
        open_lineage(other, started, "toy-main")
    assert not list(other.lineages.iterdir()), "nothing is begun anew in its place"
    empty = Lineage.open(other, "toy-main")
    with pytest.raises(LineageBehindError, match="behind the ledger"):
        open_lineage(other, started, "toy-main")
    empty.import_baseline(lineage.tree(commits[0]), "baseline")
    with pytest.raises(LineageBehindError, match=f"lacks commit {commits[1]}"):
        open_lineage(other, started, "toy-main")
    assert empty.champion() == commits[0]
    assert open_lineage(other, started, "unheard-of").name == "unheard-of"
