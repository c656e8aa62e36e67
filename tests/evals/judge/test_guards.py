"""Guards: ratios and values, source facts, the harness's own checks."""

from dataclasses import replace

import pytest

from rsi.evals.errors import EvidenceError
from rsi.evals.judge.guards import (
    check_distinct_answers,
    check_guards,
    check_harness_guards,
    source_facts,
)
from rsi.evals.types import Arm
from rsi.sandboxes.types import FileEntry
from rsi.tasks.guards import GUARDS, SourceFacts, unit_of
from rsi.tasks.types import GuardRule


def _pairs(run_of, champion_rss: int, candidate_rss: int) -> list[object]:
    return [
        (
            run_of(Arm.CHAMPION, i, 1.0, rss=champion_rss),
            run_of(Arm.CANDIDATE, i, 1.0, rss=candidate_rss),
        )
        for i in range(3)
    ]


def test_memory_beyond_its_ratio_breaks_the_guard(run_of) -> None:
    rule = GuardRule(name="max_rss_bytes", max_ratio=1.5, max_value=None)
    (fine,) = check_guards([rule], _pairs(run_of, 100, 149), None)
    (broken,) = check_guards([rule], _pairs(run_of, 100, 151), None)
    assert fine.is_kept
    assert not broken.is_kept
    assert broken.value == pytest.approx(1.51)


def test_a_value_that_could_not_be_had_keeps_no_guard(run_of) -> None:
    rule = GuardRule(name="max_rss_bytes", max_ratio=1.5, max_value=None)
    (result,) = check_guards([rule], [], None)
    assert result.value is None
    assert not result.is_kept


def test_source_guards_count_lines_and_bytes() -> None:
    champion = (FileEntry(path="a.py", content=b"one\ntwo\nthree\n"),)
    candidate = (
        FileEntry(path="a.py", content=b"one\n2\nthree\n"),
        FileEntry(path="b.py", content=b"four\nfive\n"),
    )
    facts = source_facts(champion, candidate)
    assert (facts.lines_added, facts.lines_removed) == (3, 1)
    assert facts.candidate_bytes == facts.champion_bytes - 2 + 10
    rules = [
        GuardRule(name="lines_added", max_ratio=None, max_value=2),
        GuardRule(name="source_bytes", max_ratio=4.0, max_value=None),
    ]
    lines, size = check_guards(rules, [], facts)
    assert not lines.is_kept
    assert size.is_kept


SOURCE = SourceFacts(
    champion_bytes=100, candidate_bytes=300, champion_lines=10, lines_added=30, lines_removed=0
)
TESTED = {"tests": {"is_passed": True, "cpu_s": 3.0}}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda each: each.name)
def test_every_guard_of_the_table_binds_by_ratio_and_by_value(run_of, guard) -> None:
    """The candidate's value is three times the champion's in each."""
    left = [
        replace(run_of(Arm.CHAMPION, i, 1.0, rss=10), wall_s=2.0, result={"tests": {"cpu_s": 1.0}})
        for i in range(3)
    ]
    right = [
        replace(run_of(Arm.CANDIDATE, i, 1.0, rss=30), wall_s=6.0, result=TESTED) for i in range(3)
    ]
    pairs = list(zip(left, right, strict=True))

    def kept(ratio: float | None, value: float | None) -> list[bool]:
        rule = GuardRule(name=guard.name, max_ratio=ratio, max_value=value)
        results = check_guards([rule], pairs, SOURCE)
        assert [unit_of(each.name) for each in results] == ["x"] * (ratio is not None) + [
            guard.unit
        ] * (value is not None)
        return [each.is_kept for each in results]

    assert kept(3.0, None) == [True]
    assert kept(2.9, None) == [False]
    assert kept(3.0, 1e-9) == [True, False]
    assert kept(None, 1e9) == [True]


def test_a_source_guard_without_facts_is_an_error_not_a_pass() -> None:
    with pytest.raises(EvidenceError, match="source_facts"):
        check_guards([GuardRule(name="lines_added", max_ratio=None, max_value=2)], [], None)


def test_an_unknown_guard_is_an_error() -> None:
    with pytest.raises(EvidenceError, match="unknown"):
        check_guards([GuardRule(name="taste", max_ratio=None, max_value=2)], [], None)


def test_the_harness_guards_must_hold_in_every_run(run_of) -> None:
    good = {"guards": [{"name": "beats_oracle", "ok": True, "evidence": ""}]}
    bad = {"guards": [{"name": "beats_oracle", "ok": False, "evidence": "z = 9"}]}
    pairs = [
        (run_of(Arm.CHAMPION, i, 1.0), replace(run_of(Arm.CANDIDATE, i, 1.0), result=result))
        for i, result in enumerate([good, bad, good])
    ]
    (result,) = check_harness_guards(pairs)
    assert result.name == "harness beats_oracle"
    assert result.value == 1.0
    assert not result.is_kept


def _answers(run_of, champion: list[object], candidate: list[object]) -> list[object]:
    return [
        (
            replace(run_of(Arm.CHAMPION, i, 1.0), result={"reply_digest": a}),
            replace(run_of(Arm.CANDIDATE, i, 1.0), result={"reply_digest": b}),
        )
        for i, (a, b) in enumerate(zip(champion, candidate, strict=True))
    ]


def test_the_same_answer_to_different_instances_breaks_a_guard(run_of) -> None:
    (fine,) = check_distinct_answers(_answers(run_of, ["a", "b", "c"], ["x", "y", "z"]))
    (broken,) = check_distinct_answers(_answers(run_of, ["a", "b", "c"], ["x", "x", "z"]))
    assert fine.is_kept
    assert not broken.is_kept
    assert broken.value == 1.0


def test_equal_answers_of_both_arms_in_a_pair_are_honest(run_of) -> None:
    (same,) = check_distinct_answers(_answers(run_of, ["a", "b"], ["a", "b"]))
    assert same.is_kept


def test_where_the_champion_repeats_itself_nothing_is_concluded(run_of) -> None:
    assert check_distinct_answers(_answers(run_of, ["a", "a"], ["x", "x"])) == ()
    assert check_distinct_answers(_answers(run_of, [None, None], ["x", "x"])) == ()
