"""What is said about a round in one sentence and in one word is true, plain, and no model's."""

from dataclasses import replace

import pytest
from tests.agent.report import rounds as made

from rsi.agent.report.reasons import Reason, ended_text, why_ended
from rsi.agent.report.sentences import effect_words, round_sentence, says_nothing
from rsi.agent.report.tally import Tally
from rsi.agent.report.task_facts import load_task_facts
from rsi.agent.store.records import Step, StepOutcome
from rsi.agent.store.state import RoundVerdict
from rsi.agent.store.steps.facts import Admitted, Promoted, Scored
from rsi.agent.store.steps.values import Refusal
from rsi.evals.judge.causes import GUARD_SAID, QUALITY_SAID, UNSETTLED_SAID
from rsi.evals.planted.controls import ControlKind
from rsi.evals.types import GuardResult, Severity, Verdict
from rsi.tasks.format.loader import load_task

WORSE = made.quality(is_kept=False, low=0.02, reason="hidden_bpb is worse by 0.029")
QUALITY = made.score(
    Verdict.REFUTED, reason=f"{QUALITY_SAID}{WORSE.reason}", quality=(made.quality(), WORSE)
)
OPEN_QUALITY = made.score(
    Verdict.INCONCLUSIVE, reason=f"faster, {UNSETTLED_SAID}hidden_bpb may be worse",
    quality=(made.quality(is_kept=False, reason="hidden_bpb may be worse"),),
)  # fmt: skip
GUARD = made.score(
    Verdict.REFUTED, reason=f"{GUARD_SAID}max_rss_bytes is 1.8, allowed is 1.5",
    guards=(GuardResult(name="max_rss_bytes", value=1.8, bound=1.5, is_kept=False),),
)  # fmt: skip
SLOWER = made.score(Verdict.REFUTED, made.interval(0.66, 0.71, 0.76), reason="surely below 1.02")
SAME = made.score(Verdict.REFUTED, made.interval(0.99, 1.003, 1.015), reason="surely below 1.02")
NOISE = made.score(Verdict.INCONCLUSIVE, made.interval(0.96, 1.02, 1.08), reason="too noisy")
CRASHES = made.score(
    Verdict.INVALID, None, reason=f"crashed in 3 of 4 runs: {made.MODEL_SAID}", outcomes={"ok": 1, "crashed": 3},
)  # fmt: skip
CHEATS = made.score(Verdict.INVALID, None, reason="tampered in 1 of 4 runs", outcomes={"ok": 2, "crashed": 1, "tampered": 1})  # fmt: skip
DISTURBED = made.score(Verdict.INVALID, None, reason="three pairs in turn", pairs_invalid=3)
REVIEW = made.REVIEWED
SUPPORTED = Scored(outcome=StepOutcome.SUPPORTED, score=made.score())
AT_GATE = (*made.BEFORE, SUPPORTED, REVIEW)
BLOCKED = replace(
    REVIEW, outcome=StepOutcome.REJECTED, reason=made.MODEL_SAID, confirm=None, findings=(made.finding(Severity.BLOCK),),
)  # fmt: skip
NOT_AGAIN = replace(REVIEW, outcome=StepOutcome.INCONCLUSIVE, reason="too noisy", confirm=NOISE)
SPENT = replace(
    made.PROPOSED,
    outcome=StepOutcome.OUT_OF_BUDGET,
    reason=made.MODEL_SAID,
    refused=Refusal(limit="usd", allowed=1.0),
)
GAVE_UP = replace(made.PROPOSED, outcome=StepOutcome.GAVE_UP, reason=made.MODEL_SAID)
NO_PATCH = replace(GAVE_UP, outcome=StepOutcome.NO_PATCH)
PROMOTED = Promoted(outcome=StepOutcome.PROMOTED, old_commit="a" * 40, new_commit="b" * 40)

CASES = {
    "gate": (
        made.view(*AT_GATE), "gate",
        "Waits for a decision: 1.86 times as fast, surely above 1.79 (95%); quality unchanged; two remarks by the "
        "reviewer; 21 lines in one file; cost $0.14 and 80 device seconds.",
    ),
    "promoted": (
        made.view(*AT_GATE, made.DECIDED, PROMOTED), "promoted",
        "Promoted by ada: 1.86 times as fast, surely above 1.79 (95%); quality unchanged; two remarks by the reviewer; "
        "21 lines in one file; cost $0.14 and 80 device seconds.",
    ),
    "quality": (
        made.scored(QUALITY), "refuted: quality hidden_bpb",
        "Refused because quality is worse: hidden_bpb 2.31 → 2.34, a margin of 0.01 is allowed; measured 1.86 times as "
        "fast, surely above 1.79 (95%); 21 lines in one file; cost $0.14 and 80 device seconds.",
    ),
    "open quality": (
        made.scored(OPEN_QUALITY), "inconclusive: quality hidden_bpb",
        "Not settled because of quality: hidden_bpb 2.31 → 2.34, a margin of 0.01 is allowed; measured 1.86 times as "
        "fast, surely above 1.79 (95%); 21 lines in one file; cost $0.14 and 80 device seconds.",
    ),
    "guard": (
        made.scored(GUARD), "refuted: guard max_rss_bytes",
        "Refused by a guard: max_rss_bytes is 1.8, at most 1.5 is allowed; measured 1.86 times as fast, surely above "
        "1.79 (95%); 21 lines in one file; cost $0.14 and 80 device seconds.",
    ),
    "slower": (
        made.scored(SLOWER), "refuted: worse",
        "Refused because it is slower: it takes 1.41 times as long, surely above 1.31 (95%); 21 lines in one file; cost "
        "$0.14 and 80 device seconds.",
    ),
    "no gain": (
        made.scored(SAME), "refuted: no gain",
        "Refused because there is no gain worth having: between 0.990 and 1.01 times as fast (95%); 21 lines in one "
        "file; cost $0.14 and 80 device seconds.",
    ),
    "noise": (
        made.scored(NOISE), "inconclusive: noise",
        "Not settled: between 0.960 and 1.08 times as fast (95%); 21 lines in one file; cost $0.14 and 80 device seconds.",
    ),
    "crash": (
        made.scored(CRASHES), "invalid: crash",
        "Invalid because 3 of 4 runs crashed; 21 lines in one file; cost $0.14 and 80 device seconds.",
    ),
    "cheat": (
        made.scored(CHEATS), "invalid: cheat",
        "Invalid because 1 of 4 runs changed what a run must not touch; 21 lines in one file; cost $0.14 and 80 device "
        "seconds.",
    ),
    "disturbed": (
        made.scored(DISTURBED), "invalid: disturbed",
        "Invalid because the machine was disturbed, which is not held against it; 21 lines in one file; cost $0.14 and "
        "80 device seconds.",
    ),
    "not again": (
        made.view(*made.BEFORE, SUPPORTED, NOT_AGAIN), "inconclusive: noise",
        "Not settled on fresh seeds and hidden data: between 0.960 and 1.08 times as fast (95%); 21 lines in one file; "
        "cost $0.14 and 80 device seconds.",
    ),
    "reviewer": (
        made.view(*made.BEFORE, SUPPORTED, BLOCKED), "rejected: reviewer",
        "Turned down by the reviewer; one finding against it; measured 1.86 times as fast, surely above 1.79 (95%); 21 "
        "lines in one file; cost $0.14 and 80 device seconds.",
    ),
    "person": (
        made.view(*AT_GATE, made.rejected(reason="too risky")), "rejected: person ada",
        "Turned down by ada; measured 1.86 times as fast, surely above 1.79 (95%); 21 lines in one file; cost $0.14 and "
        "80 device seconds.",
    ),
    "policy": (
        made.view(*AT_GATE, made.rejected(actor="policy:2")), "rejected: policy",
        "Turned down by policy; measured 1.86 times as fast, surely above 1.79 (95%); 21 lines in one file; cost $0.14 "
        "and 80 device seconds.",
    ),
    "rules": (
        made.view(*made.BEFORE[:5], Admitted(outcome=StepOutcome.NOT_ADMITTED, findings=(made.finding(Severity.BLOCK, "rules"),))),
        "not admitted: reads_outside",
        "Not run: refused by the rules before anything ran (reads_outside); 21 lines in one file; cost $0.14 and 80 "
        "device seconds.",
    ),
    "budget": (
        made.view(made.OPENED, made.BRIEFED, SPENT), "out of budget: usd",
        "The budget was spent before it was done (usd); cost $0.14 and 80 device seconds.",
    ),
    "gave up": (
        made.view(made.OPENED, made.BRIEFED, GAVE_UP), "gave up",
        "The agent gave its idea up after twelve turns, which is no fault of the evaluation; cost $0.14 and 80 device "
        "seconds.",
    ),
    "no patch": (
        made.view(made.OPENED, made.BRIEFED, NO_PATCH), "no patch",
        "The agent handed nothing in after twelve turns; cost $0.14 and 80 device seconds.",
    ),
    "under way": (
        made.view(*made.BEFORE[:6]), "measure",
        "Under way: step 7 of 12, measure; 21 lines in one file; cost $0.14 and 80 device seconds.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_round_is_said_in_a_word_and_in_a_sentence(case):
    view, word, sentence = CASES[case]
    assert ended_text(view) == word
    assert round_sentence(view, gain="faster") == sentence


@pytest.mark.parametrize("verdict", RoundVerdict)
def test_every_ending_has_a_reason_and_a_sentence_without_a_word_of_a_model(verdict):
    view = made.view(*AT_GATE, made.DECIDED, PROMOTED)
    if verdict is not RoundVerdict.PROMOTED:
        view = made.view(*made.BEFORE[:6], made.halted(Step.MEASURE, StepOutcome(verdict.value)))
    assert view.state.verdict is verdict
    assert (why_ended(view) is None) == (verdict is RoundVerdict.PROMOTED)
    said = f"{ended_text(view)} {round_sentence(view)}"
    assert made.MODEL_SAID not in said
    assert "{" not in said


@pytest.mark.parametrize("case", CASES)
def test_no_sentence_repeats_what_a_model_or_a_candidate_said(case):
    view, _, _ = CASES[case]
    assert made.MODEL_SAID not in f"{ended_text(view)} {round_sentence(view)}"


def test_a_gain_that_was_refused_says_what_for_and_how_large_it_was():
    assert why_ended(made.scored(QUALITY)).reason is Reason.QUALITY
    assert "measured 1.86 times as fast" in round_sentence(made.scored(QUALITY), gain="faster")
    assert "measured 1.86 times as good" in round_sentence(made.scored(QUALITY))


def test_what_a_person_has_to_look_at_closely_is_said():
    held = replace(REVIEW, outcome=StepOutcome.HELD, held_by=(made.MODEL_SAID, "x"))
    unlikely = replace(held, confirm=made.score(is_plausible=False))
    said = round_sentence(made.view(*made.BEFORE, SUPPORTED, unlikely))
    assert "more than is plausible in one step" in said
    assert "two reasons to look closely" in said


def test_a_planted_round_says_that_it_is_a_test():
    view = made.view(made.planted(ControlKind.CHEAT, "01_edits"), *made.BEFORE[1:], is_control=True)
    assert round_sentence(view).startswith("A test of the evaluator, planted cheat 01_edits; under")


def test_bounds_are_never_rounded_to_the_better_side():
    assert effect_words(made.interval(1.0199, 1.5, 2.0), "faster").endswith(
        "surely above 1.01 (95%)"
    )
    assert "surely above 1.33" in effect_words(made.interval(0.5, 0.6, 0.7499), "faster")
    assert "times as good, surely below 0.751 (95%)" in effect_words(made.interval(0.5, 0.6, 0.7501), "better")  # fmt: skip
    assert effect_words(made.interval(38.04, 38.9, 39.9, 0.99), "faster") == "38.9 times as fast, surely above 38.0 (99%)"  # fmt: skip


def test_a_clock_that_says_nothing_is_named():
    wide = made.interval(0.14, 2.5, 44.67)
    assert says_nothing(wide)
    assert (
        effect_words(wide, "faster")
        == "between 0.140 and 44.7 times as fast (95%), which says nothing"
    )
    assert not says_nothing(made.interval(0.9, 1.0, 1.1))
    assert not says_nothing(made.interval(4.34, 10.07, 23.36)), "wide, but surely a gain"


def test_what_a_round_cost_tells_real_from_reserved():
    plain = made.view(made.OPENED, made.BRIEFED, SPENT, spend_usd=0.54)
    assert "cost $0.54 and" in round_sentence(plain)
    assert "cost $0.14 and $0.40 reserved and 80" in round_sentence(
        replace(plain, reserved_usd=0.4)
    )
    assert "cost $0.54 reserved and 80" in round_sentence(replace(plain, reserved_usd=0.54))


@pytest.mark.parametrize(
    ("task", "word"),
    [("toy", "speedup"), ("lm_training", "speedup"), ("kernels", "speedup"), ("compiler", "gain")],
)
def test_a_ratio_of_costs_is_a_speedup_and_one_of_qualities_a_gain(task, word):
    declared = load_task(task)
    facts = load_task_facts(str(declared.root), declared.track)
    assert facts.ratio_word == word
    line = Tally(
        promoted=1, refuted=0, inconclusive=0, invalid=0, cheats=0, cheats_caught=0, speedup=made.interval(1.9, 2.0, 2.1),
        word=facts.ratio_word,
    ).line  # fmt: skip
    assert line.endswith(f"  {word} vs baseline: 2.00x [1.90, 2.10]")
    other = {"speedup": "gain", "gain": "speedup"}[word]
    assert other not in line


def test_a_task_that_is_not_at_hand_claims_no_speed():
    assert load_task_facts("/nowhere/at/all", "main").ratio_word == "gain"
