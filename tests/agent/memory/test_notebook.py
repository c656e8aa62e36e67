"""Retrieval, near-duplicates and how well effects were foretold."""

import pytest

from rsi.agent.memory import notebook
from rsi.agent.memory.similarity import diff_similarity, words
from rsi.agent.store.steps.values import Accuracy, Cost, RoundReport
from rsi.evals.types import Interval

DIFF = """--- a/train.py
+++ b/train.py
@@ -1,3 +1,4 @@
-    loader = SlowLoader(data)
+    index = rng.permutation(len(data))
+    batches = data[index].reshape(-1, batch)
     for batch in loader:
"""


def effect(estimate, low=None, high=None):
    return Interval(
        estimate=estimate, low=low or estimate * 0.95, high=high or estimate * 1.05,
        confidence=0.95, pairs=6,
    )  # fmt: skip


def report(number, hypothesis, *, outcome="refuted", ratio=None, predicted=None, **changes):
    measured = None if ratio is None else effect(ratio)
    return RoundReport(
        **{
            "round_id": f"c1-{number:04d}", "round_number": number, "task": "lm",
            "outcome": outcome, "hypothesis": hypothesis, "changed": "train.py: +2 -1 lines",
            "diff": "", "predicted_ratio": predicted, "effect": measured, "verdict": None,
            "why": "", "lesson": "", "accuracy": notebook.accuracy_of(predicted, measured),
            "cost": Cost(), "base_commit": "a", "commit": "b",
            "is_promoted": outcome == "promoted", **changes,
        }
    )  # fmt: skip


PAST = (
    report(1, "vectorise the data loader", outcome="promoted", ratio=1.8, predicted=1.5),
    report(2, "fuse the optimizer step over all parameters", ratio=0.97, predicted=1.2),
    report(3, "train in bfloat16", outcome="rejected", ratio=1.4, predicted=1.4),
    report(4, "cache tokenised batches between epochs", outcome="crashed"),
    report(5, "larger learning rate with warm-up", outcome="promoted", ratio=1.3, predicted=1.1),
)


@pytest.mark.parametrize(
    ("predicted", "measured", "expected"),
    [
        (1.5, effect(1.5), Accuracy.HIT),
        (1.55, effect(1.5), Accuracy.HIT),
        (1.5, effect(1.2, 0.9, 1.6), Accuracy.HIT),
        (2.0, effect(1.2), Accuracy.OVERSHOOT),
        (1.05, effect(1.6), Accuracy.UNDERSHOOT),
        (None, effect(1.2), Accuracy.UNKNOWN),
        (1.2, None, Accuracy.UNKNOWN),
    ],
)
def test_a_prediction_is_a_hit_an_overshoot_or_an_undershoot(predicted, measured, expected):
    assert notebook.accuracy_of(predicted, measured) is expected


def test_accuracy_is_summed_up_with_its_bias():
    summary = notebook.accuracy_summary(PAST)
    assert summary.counts[Accuracy.HIT] == 1
    assert summary.counts[Accuracy.OVERSHOOT] == 1
    assert summary.counts[Accuracy.UNDERSHOOT] == 2
    assert "of 4 predictions 1 hit" in summary.text
    assert notebook.accuracy_summary(()).text == "no prediction was measured yet"


def test_the_best_are_promoted_rounds_by_their_gain_then_the_rest():
    assert [r.round_number for r in notebook.best(PAST, 3)] == [1, 5, 3]


def test_what_changed_nothing_or_made_it_worse_is_not_among_the_best():
    null = report(6, "a clearer docstring", ratio=1.0)
    assert [r.round_number for r in notebook.best((*PAST, null), 9)] == [1, 5, 3]


def test_the_recent_come_newest_first():
    assert [r.round_number for r in notebook.recent(PAST, 2)] == [5, 4]
    assert notebook.recent(PAST, 0) == ()


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("optimizer fusing", 2),
        ("caching of batches", 4),
        ("bfloat16 precision", 3),
        ("data loading vectorised", 1),
        ("learning rates", 5),
    ],
)
def test_related_rounds_are_found_by_their_words_in_any_form(query, first):
    assert notebook.related(PAST, query, 3)[0].round_number == first


def test_an_unrelated_query_finds_nothing_and_says_so():
    assert notebook.related(PAST, "quantum chromodynamics", 3) == ()
    assert "Nothing in 5 rounds" in notebook.search(PAST, "quantum chromodynamics")


def test_a_failed_idea_in_other_words_is_pointed_out_by_its_diff():
    past = (*PAST, report(6, "shuffle indices up front", ratio=0.99, diff=DIFF))
    renamed = DIFF.replace("@@ -1,3 +1,4 @@", "@@ -41,3 +60,4 @@")
    found = notebook.duplicates(past, hypothesis="build batches by fancy indexing", diff=renamed)
    assert found[0].report.round_number == 6
    assert found[0].lines == 1.0
    assert "ended refuted" in found[0].text


def test_a_failed_idea_in_the_same_words_is_pointed_out_before_it_is_written():
    found = notebook.duplicates(
        PAST, hypothesis="fuse optimizer steps over all the parameters", diff=""
    )
    assert [each.report.round_number for each in found] == [2]


def test_a_promoted_idea_is_no_duplicate_and_a_new_one_neither():
    assert notebook.duplicates(PAST, hypothesis="vectorise the data loader", diff="") == ()
    assert notebook.duplicates(PAST, hypothesis="compile the model", diff=DIFF) == ()


def test_comments_and_spaces_do_not_hide_a_duplicate():
    commented = DIFF.replace("rng.permutation(len(data))", "rng.permutation( len(data) )  # new")
    assert diff_similarity(DIFF, commented) == 1.0
    assert diff_similarity(DIFF, "") == 0.0
    assert diff_similarity("", "") == 0.0
    looks_like_a_header = "--- a/q.sql\n+++ b/q.sql\n@@ -1 +1 @@\n--- select 1\n+++ select 2\n"
    assert diff_similarity(looks_like_a_header, looks_like_a_header) == 1.0


def test_words_of_identifiers_are_taken_apart():
    assert words("fusedOptimizer_step") == words("fused optimizer step")


def test_the_brief_shows_each_round_once_and_keeps_to_its_size():
    text = notebook.for_brief(PAST, about="optimizer")
    assert text.count("round 5") == 1
    assert "Predictions so far" in text
    assert len(notebook.for_brief(PAST * 50, about="x", longest_chars=500)) < 520
    assert notebook.for_brief((), about="x") == ""


def test_a_lesson_says_what_was_measured_against_what_was_promised():
    text = notebook.lesson_of("refuted", 1.2, effect(0.97), "below the minimum effect")
    assert "0.97x [0.92, 1.02] over 6 pairs, predicted 1.20x. below the minimum effect." in text


@pytest.mark.parametrize(
    ("outcome", "diff", "is_settled"),
    [
        ("refuted", DIFF, True),
        ("not_admitted", DIFF, True),
        ("inconclusive", DIFF, False),
        ("harness_error", DIFF, False),
        ("stopped", DIFF, False),
        ("refuted", "", False),
    ],
)
def test_only_what_evidence_spoke_against_in_nearly_the_same_lines_is_settled(
    outcome, diff, is_settled
):
    reports = [report(1, "gather the batch at once", outcome=outcome, diff=diff)]
    (found,) = notebook.duplicates(reports, hypothesis="gather the batch at once", diff=DIFF)
    assert found.is_settled is is_settled
