"""The result file is checked field by field; what breaks its schema is a harness error."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rsi.tasks.choices import Clock, Direction
from rsi.tasks.errors import HarnessError
from rsi.tasks.format.loader import load_task, profile_of
from rsi.tasks.harness_kit import canonical_json
from rsi.tasks.running.result_file import read_result
from rsi.tasks.types import Budget, GradeOutcome, Instance

TASK = load_task("toy")
PROFILE = profile_of(TASK)
INSTANCE = Instance(
    profile="smoke", purpose="dev", public=(), secret=(), digest="d1", seed_commitment="c1"
)


def result(**changes: object) -> dict[str, Any]:
    value: dict[str, Any] = {
        "schema": 1,
        "task": "toy",
        "profile": "smoke",
        "purpose": "dev",
        "instance_digest": "d1",
        "seed_commitment": "c1",
        "outcome": "ok",
        "reason": "",
        "metric": {
            "name": "fit_cpu", "kind": "fixed_work", "unit": "s", "direction": "lower", "value": None,
        },
        "quality": [{"name": "excess_bpb", "value": 0.01, "op": "<=", "limit": 0.05, "ok": True}],
        "guards": [{"name": "beats_oracle", "ok": True, "evidence": "e"}],
    }  # fmt: skip
    return {**value, **changes}


def read(value: object):
    return read_result(canonical_json(value), TASK, PROFILE, INSTANCE)


def test_a_sound_result_becomes_a_grade():
    graded = read(result())
    assert graded.outcome is GradeOutcome.OK
    assert graded.quality_values == {"excess_bpb": 0.01}
    assert graded.result["task"] == "toy"
    assert len(graded.result_sha256) == 64


@pytest.mark.parametrize(
    ("spent", "outcome"),
    [
        ({"unit": "calls", "used": 4, "limit": 4, "by": "harness"}, GradeOutcome.OK),
        ({"unit": "calls", "used": 5, "limit": 99, "by": "harness"}, GradeOutcome.OUT_OF_BUDGET),
    ],
)
def test_what_a_harness_counted_is_held_against_the_limit_of_task_toml(spent, outcome):
    profile = replace(PROFILE, budget=Budget(unit="calls", limit=4))
    found = read_result(canonical_json(result(spent=spent)), TASK, profile, INSTANCE)
    assert found.outcome is outcome
    assert found.reason == ("" if outcome is GradeOutcome.OK else "spent 5 of 4 calls")


@pytest.mark.parametrize("spent", [None, {"unit": "calls", "used": None, "limit": 4, "by": "host"}])
def test_a_harness_that_counts_nothing_of_a_counted_budget_has_failed(spent):
    profile = replace(PROFILE, budget=Budget(unit="calls", limit=4))
    with pytest.raises(HarnessError, match="states no count of calls"):
        read_result(canonical_json(result(spent=spent)), TASK, profile, INSTANCE)


def test_a_limit_is_judged_by_task_toml_not_by_the_file():
    forged = [{"name": "excess_bpb", "value": 9.0, "op": "<=", "limit": 99.0, "ok": True}]
    (reading,) = read(result(quality=forged)).quality
    assert (reading.limit, reading.is_ok) == (0.05, False)
    higher = replace(PROFILE.quality[0], direction=Direction.HIGHER)
    profile = replace(PROFILE, quality=(higher,))
    (reading,) = read_result(
        canonical_json(result(quality=forged)), TASK, profile, INSTANCE
    ).quality
    assert (reading.op, reading.is_ok) == (">=", True)


def test_a_metric_that_the_file_must_have_is_required():
    task = replace(TASK, metric=replace(TASK.metric, clock=Clock.RESULT))
    with pytest.raises(HarnessError, match=r"has no metric\.value"):
        read_result(canonical_json(result()), task, PROFILE, INSTANCE)
    metric = {**result()["metric"], "value": 3}
    graded = read_result(canonical_json(result(metric=metric)), task, PROFILE, INSTANCE)
    assert graded.metric_value == 3.0


def test_a_failed_outcome_needs_no_values():
    empty = [{"name": "excess_bpb", "value": None, "op": "<=", "limit": 0.05, "ok": None}]
    graded = read(result(outcome="invalid_output", reason="no model", quality=empty))
    assert (graded.outcome, graded.reason) == (GradeOutcome.INVALID_OUTPUT, "no model")
    assert graded.quality[0].is_ok is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "has schema 2, expected 1"),
        ({"task": "other"}, "has task 'other'"),
        ({"profile": "full"}, "has profile 'full'"),
        ({"purpose": "confirm"}, "has purpose 'confirm'"),
        ({"instance_digest": "d2"}, "has instance_digest 'd2'"),
        ({"seed_commitment": None}, "has seed_commitment None"),
        ({"outcome": "great"}, "has outcome 'great', expected one of ok"),
        ({"outcome": 1}, "has outcome 1, expected a text"),
        ({"metric": None}, "has no metric object"),
        ({"metric": {"name": "x"}}, "has metric.name 'x', task.toml says 'fit_cpu'"),
        (
            {"metric": {**result()["metric"], "value": "1"}},
            "has value '1', expected a number or null",
        ),
        ({"quality": []}, "has no value of quality 'excess_bpb'"),
        ({"quality": {}}, "expected a list of objects"),
        ({"quality": [{"name": "excess_bpb", "value": None}]}, "has no value of quality"),
        ({"quality": [{"name": "excess_bpb", "value": True}]}, "has value True, expected a number"),
        ({"quality": [{"name": "other", "value": 1}]}, "quality 'other' twice or undeclared"),
        ({"quality": result()["quality"] * 2}, "twice or undeclared"),
        ({"guards": [{"name": "g", "ok": 1, "evidence": ""}]}, "guard with ok 1"),
        ({"guards": [{"name": "g", "ok": True}]}, "has evidence None, expected a text"),
    ],
)
def test_a_broken_result_is_a_harness_error(change: dict[str, object], words: str):
    with pytest.raises(HarnessError) as caught:
        read(result(**change))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-3],
        lambda content: content.replace(b"0.01", b"NaN"),
        lambda content: content.replace(b"0.01", b"1e999"),
        lambda content: content.replace(b'{"guards"', b'{"outcome":"ok","guards"'),
        lambda content: b"[]",
        lambda content: b"",
        lambda content: b"\xff",
    ],
)
def test_bytes_that_are_not_a_strict_object_are_a_harness_error(spoil: Callable[[bytes], bytes]):
    with pytest.raises(HarnessError, match="the result file of task 'toy'"):
        read_result(spoil(json.dumps(result(), separators=(",", ":"), sort_keys=True).encode()),
                    TASK, PROFILE, INSTANCE)  # fmt: skip
