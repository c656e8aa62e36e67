"""Values survive storage unchanged, and what cannot is refused."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.agent.errors import LedgerCorruptError, LedgerSchemaError, LedgerValueError
from rsi.agent.store.codec import decode, encode, stored_text, time_text
from rsi.agent.store.records import AgentRole, CampaignSummary, Json
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Arm, Interval, Outcome, QualityResult, Score, Verdict

ANY_TEXT = st.text(st.characters(blacklist_categories=()), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    arm: Arm
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    payload: Json
    inner: Inner | None
    many: tuple[Inner, ...] = ()
    roles: tuple[AgentRole, ...] = ()
    number: float | None = None
    count: int = 0
    by_name: dict[str, Inner] = field(default_factory=dict)


INNER = st.builds(Inner, arm=st.sampled_from(Arm), at=st.datetimes(timezones=st.just(UTC)))


@given(
    st.builds(
        Outer,
        payload=st.dictionaries(ANY_TEXT, JSON, max_size=4),
        inner=st.none() | INNER,
        many=st.lists(INNER, max_size=3).map(tuple),
        roles=st.lists(st.sampled_from(AgentRole), max_size=3).map(tuple),
        number=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        count=st.integers(),
        by_name=st.dictionaries(ANY_TEXT, INNER, max_size=2),
    )
)
def test_any_value_reads_back_equal_and_its_text_is_plain_ascii(value: Outer):
    text = encode(value)
    assert decode(Outer, text) == value
    assert text.isascii()
    assert "\0" not in text
    assert encode(decode(Outer, text)) == text


def test_a_whole_score_reads_back_equal():
    interval = Interval(estimate=1.5, low=1.25, high=1.75, confidence=0.95, pairs=7)
    score = Score(
        verdict=Verdict.SUPPORTED,
        reason="it is faster",
        effect=interval,
        wall_effect=None,
        quality=(
            QualityResult(
                name="loss",
                champion_mean=1.0,
                candidate_mean=None,
                difference_low=-0.5,
                difference_high=0.5,
                limit=None,
                margin=0.1,
                is_kept=True,
                reason="",
            ),
        ),
        guards=(),
        pairs_used=7,
        pairs_invalid=0,
        outcomes={Outcome.OK: 7},
        is_plausible=True,
        plausibility="",
        digest="d",
    )
    assert decode(Score, encode(score)) == score


def test_times_are_kept_in_utc_and_sort_as_text():
    there = timezone(timedelta(hours=5, minutes=30))
    assert time_text(datetime(2026, 1, 1, 5, 30, tzinfo=there)) == time_text(
        datetime(2026, 1, 1, tzinfo=UTC)
    )
    earlier, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert time_text(earlier) < time_text(later)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"a": float("nan")}, r"payload\.a is nan"),
        ({"a": {1: 2}}, "keys must be text"),
        ({"a": b"bytes"}, "is a bytes, which cannot be stored"),
        ({"a": {1, 2}}, "is a set"),
        ({"a": object()}, "is a object"),
    ],
)
def test_what_json_does_not_have_is_refused_with_its_path(payload: Json, says: str):
    with pytest.raises(LedgerValueError, match=says):
        encode(Outer(payload=payload, inner=None))


def test_text_that_a_column_cannot_hold_is_refused():
    for bad in ("a\0b", "\ud800", "x" * 1001):
        with pytest.raises(LedgerValueError, match=r"outcome .* cannot be stored"):
            stored_text(bad, "outcome")
    assert stored_text("häßlich \U0001f600", "outcome")


def test_stored_text_of_another_version_is_not_guessed_at():
    stored = json.loads(encode(Outer(payload={}, inner=None)))
    with pytest.raises(LedgerSchemaError, match=r"\['later'\], written by a newer rsi"):
        decode(Outer, json.dumps({**stored, "later": 1}))
    with pytest.raises(LedgerSchemaError, match="'robot' is no AgentRole"):
        decode(Outer, json.dumps({**stored, "roles": ["robot"]}))
    with pytest.raises(LedgerCorruptError, match=r"lacks \['inner', 'payload'\]"):
        decode(Outer, "{}")
    with pytest.raises(LedgerCorruptError, match="is not JSON"):
        decode(StepRecord, "{")
    with pytest.raises(LedgerCorruptError, match="lacks everything"):
        decode(CampaignSummary, "[]")


def test_a_record_of_an_older_version_gets_the_defaults():
    assert decode(Outer, '{"payload":{},"inner":null}') == Outer(payload={}, inner=None)
