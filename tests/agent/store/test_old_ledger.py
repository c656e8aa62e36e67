"""What an older version wrote reads back whole: every fact typed and equal, every verdict and score as it was."""

import json
import sqlite3
from collections import Counter

import pytest
from tests.agent.store.old_ledger import restore

from rsi.agent.errors import LedgerError
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Step, StepOutcome
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.steps.facts import FACT_BY_STEP, Halted
from rsi.agent.store.steps.record import StepRecord
from rsi.agent.trust.rescoring import rescore_round
from rsi.tui.demo.campaign_file import load
from rsi.tui.demo.player import RECORDING
from rsi.tui.model.code import Code
from rsi.tui.reading.reader import Interest, Reader

ENDED = {
    "c1130-44a8": "c1 refuted, c2 rejected, c3 refuted, c4 not_admitted, 1 promoted, 2 refuted, 3 no_patch, "
    "4 not_admitted, 5 crashed, c5 refuted, c6 rejected, c7 refuted, c8 not_admitted, 6 withdrawn, 7 refuted, "
    "8 invalid_output, 9 rejected",
    "c1130-3760": "1 promoted, 2 refuted, 3 rejected, 4 stopped",
    "c1130-3f8d": "1 rejected, 2 refuted, 3 out_of_budget",
    "c1130-7dd8": "1 harness_error, 2 harness_error, 3 crashed",
}
"""As the version that wrote them told it."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return restore(tmp_path_factory.mktemp("old"))


@pytest.fixture
def ledger(home):
    with Ledger.open(home) as opened:
        yield opened


def rows(home, table):
    with sqlite3.connect(home.root / "ledger.sqlite3") as connection:
        found = [body for (body,) in connection.execute(f"SELECT body FROM {table} ORDER BY seq")]
    connection.close()
    assert found
    return found


LEFT_OUT_NOW = frozenset({"failures", "last_version", "refused", "findings", "unearned"})
"""Keys whose default the older version wrote down; it did without them as well."""


ADDED_SINCE = frozenset({"decision", "schema"})
"""Keys of a score that the older version did not know; what it wrote reads back with nothing in them."""


def as_it_was(raw):
    """Written JSON without keys of today that hold nothing."""
    if isinstance(raw, dict):
        for name in ADDED_SINCE & raw.keys():
            assert raw[name] is None
        return {name: as_it_was(item) for name, item in raw.items() if name not in ADDED_SINCE}
    return [as_it_was(item) for item in raw] if isinstance(raw, list) else raw


def assert_reads_back(body: str) -> StepRecord:
    """A row's typed value says all that the row says, and is written as the row was."""
    stored, record = json.loads(body), decode(StepRecord, body)
    again = as_it_was(json.loads(encode(record)))
    lost = stored["payload"].keys() - again["payload"].keys()
    for name in lost:
        assert name in LEFT_OUT_NOW, (stored["step"], name)
        assert not stored["payload"][name]
        assert not getattr(record.fact, name)
    kept = {name: value for name, value in stored["payload"].items() if name not in lost}
    assert again == {**stored, "payload": kept}
    assert decode(StepRecord, encode(record)) == record
    return record


def test_every_step_reads_back_typed_and_equal_to_what_was_stored(home):
    records = [assert_reads_back(body) for body in rows(home, "steps")]
    kinds = Counter(type(each.fact) for each in records)
    assert kinds.keys() == {*FACT_BY_STEP.values(), Halted}
    assert {each.outcome for each in records} >= {
        StepOutcome.OK, StepOutcome.NO_PATCH, StepOutcome.OUT_OF_BUDGET, StepOutcome.REVISE, StepOutcome.WITHDRAWN,
        StepOutcome.NOT_ADMITTED, StepOutcome.CRASHED, StepOutcome.INVALID_OUTPUT, StepOutcome.SUPPORTED,
        StepOutcome.REFUTED, StepOutcome.HELD, StepOutcome.REJECTED, StepOutcome.APPROVE, StepOutcome.REJECT,
        StepOutcome.STOPPED, StepOutcome.PROMOTED, StepOutcome.HARNESS_ERROR,
    }  # fmt: skip


def test_every_event_reads_back_equal_to_what_was_stored(home):
    bodies = rows(home, "campaign_events")
    assert [as_it_was(json.loads(encode(decode(CampaignEvent, body)))) for body in bodies] == [
        json.loads(body) for body in bodies
    ]
    audits = [decode(CampaignEvent, body).audit for body in bodies]
    assert sum(each is not None and each.score is not None for each in audits) == 4


def test_the_recording_of_an_older_version_reads_back_too():
    steps = [each.fact for each in load(RECORDING).rows if isinstance(each.fact, StepRecord)]
    assert {type(each.fact) for each in steps} == set(FACT_BY_STEP.values())
    for each in steps:
        assert decode(StepRecord, encode(each)) == each


@pytest.mark.parametrize("campaign_id", ENDED)
def test_every_round_ends_as_it_did(ledger, campaign_id):
    rounds = RoundBook(ledger).of_campaign(campaign_id)
    assert ", ".join(f"{each.label} {each.ended_as}" for each in rounds) == ENDED[campaign_id]
    assert all(each.effect is None or each.score is not None for each in rounds)


def test_every_score_is_computed_again_to_the_same_verdict_and_is_known_for_an_older_one(
    home, ledger
):
    scored = [each.round_id for each in ledger.steps_of(step=Step.SCORE)]
    assert len(set(scored)) == 16
    for round_id in scored:
        for again in rescore_round(ledger, round_id, home):
            assert again.is_same, (round_id, again.purpose)
            assert not again.is_of_these_rules


def test_nothing_that_an_older_version_wrote_is_refused(ledger):
    assert ledger.verify_chain().is_intact
    assert len(ledger.promotions()) == 3
    for campaign in ledger.campaigns():
        assert campaign.latest_outcome is not None
        assert ledger.campaign_events(campaign.record.id)
        assert ledger.charges(campaign.record.id)
        for record in ledger.rounds(campaign.record.id):
            ledger.measurements(record.id)
            ledger.events(record.id)
    assert len(ledger.requests(unhandled_only=False)) == 7


def test_the_cockpit_shows_every_round_of_an_older_version(home, ledger):
    for campaign_id in ENDED:
        for record in ledger.rounds(campaign_id):
            interest = Interest(campaign_id=campaign_id, round_id=record.id)
            view = Reader(ledger, Code(home)).read(interest)
            assert (view.problem, view.round.view.record) == ("", record)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"outcome": "suported"},
            "round 'c1130-44a8-0001', step 'score': 'suported' is no outcome",
        ),
        ({"payload": {}}, "round 'c1130-44a8-0001', step 'score': a stored Scored lacks"),
        ({"payload": {"score": 3}}, "round 'c1130-44a8-0001', step 'score': a stored Score lacks"),
        ({"step": "scored"}, "'scored' is no Step"),
        ({"extra": 1}, r"has \['extra'\], written by a newer rsi"),
    ],
)
def test_a_row_that_says_what_no_version_says_is_refused_in_a_sentence(ledger, change, said):
    record = ledger.step_record("c1130-44a8-0001", Step.SCORE)
    raw = {**json.loads(encode(record)), **change}
    with pytest.raises(LedgerError, match=said):
        decode(StepRecord, json.dumps(raw))


def test_a_field_of_a_newer_version_is_refused_with_the_round_and_the_step(ledger):
    raw = json.loads(encode(ledger.step_record("c1130-44a8-0001", Step.ADMIT)))
    raw["payload"]["dreamt"] = True
    with pytest.raises(LedgerError, match=r"round 'c1130-44a8-0001', step 'admit': .*'dreamt'"):
        decode(StepRecord, json.dumps(raw))


def test_a_misspelt_word_in_the_ledger_is_named_wherever_the_round_is_read(home, tmp_path):
    place = tmp_path / "ledger.sqlite3"
    place.write_bytes((home.root / "ledger.sqlite3").read_bytes())
    with sqlite3.connect(place) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'"):
            connection.execute(f'DROP TRIGGER "{trigger}"')
        connection.execute(
            "UPDATE steps SET outcome = 'suported', body = replace(body, '\"outcome\":\"supported\"', "
            "'\"outcome\":\"suported\"') WHERE round_id = 'c1130-44a8-0001' AND step = 'score'"
        )
    connection.close()
    said = "round 'c1130-44a8-0001', step 'score': 'suported' is no outcome"
    with Ledger.open(place) as ledger:
        for read in (
            lambda: ledger.steps("c1130-44a8-0001"),
            lambda: ledger.step("c1130-44a8-0001", Step.SCORE),
            lambda: RoundBook(ledger).of_campaign("c1130-44a8"),
            lambda: rescore_round(ledger, "c1130-44a8-0001", home),
        ):
            with pytest.raises(LedgerError, match=said):
                read()
