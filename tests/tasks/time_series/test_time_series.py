"""The time-series task: nothing is revealed before it was asked for, and the generators' own forecasts are a bound."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.tasks.conftest import harness_of

from rsi.evals.admission.admission import admit, is_admitted
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Purpose, Verdict
from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.errors import EnvironmentBuildError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.harness_kit.frames import Array, Frame
from rsi.tasks.running.check import patched_tree

TASK = load_task("time_series")
BLOCKS = 10
SIZES = {"history": 100, "blocks": BLOCKS, "horizon": 12}


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    with harness_of(TASK, tmp_path_factory.mktemp("trusted"), ("families", "task")) as found:
        from harness_kit import InvalidArtifact
        from harness_kit.serving import Refusal

        yield SimpleNamespace(**vars(found), Refusal=Refusal, InvalidArtifact=InvalidArtifact)


def asked(harness, seed=1):
    rng = np.random.default_rng(seed)
    return [
        harness.task._Asked(
            family=name,
            series=harness.families.generate(
                harness.families.draw(name, rng, is_held_out=bool(number)), rng, **SIZES
            ),
        )
        for name in harness.families.FAMILIES
        for number in range(2)
    ]


@pytest.fixture
def session(harness):
    return harness.task.Session(asked(harness), np.random.default_rng(2), history=SIZES["history"])


def call(session, name, *rows, **arguments):
    arrays = [
        Array(dtype="f8", shape=(len(row),), content=np.asarray(row, dtype="<f8").tobytes())
        for row in rows
    ]
    return session.answer(name, Frame(head={"call": name, **arguments}, arrays=arrays))


def run(session, predict):
    """Answer every block; gives what was revealed of each series."""
    seen = {}
    while not (turn := call(session, "next")).head["is_done"]:
        number = turn.head["series"]
        values = np.frombuffer(turn.arrays[0].content)
        assert np.frombuffer(turn.arrays[2].content).shape == (2 * len(values),)
        seen[number] = np.concatenate([seen.get(number, []), values])
        call(session, "forecast", predict(session, number, seen[number]), series=number)
    return seen


def truth(session, number, seen):
    return session._asked[number].series.values[len(seen) : len(seen) + 12]


def last(session, number, seen):
    own = session._asked[number].series
    return np.full(12, own.values[: len(seen)][own.is_present[: len(seen)]][-1])


def oracle(session, number, seen):
    return session._asked[number].series.oracle[(len(seen) - SIZES["history"]) // 12]


def test_the_last_value_has_regret_one_the_generator_none_and_who_knows_the_future_is_noticed(
    harness, session
):
    run(session, last)
    naive = session.finish()
    assert naive.metric_value == pytest.approx(1 + harness.task.LINE)
    assert naive.quality["worst_family"] == pytest.approx(1)
    again = [
        harness.task.Session(asked(harness), np.random.default_rng(2), history=SIZES["history"])
        for _ in range(2)
    ]
    run(again[0], oracle)
    bound = again[0].finish()
    assert bound.metric_value == pytest.approx(harness.task.LINE)
    assert all(each.is_ok for each in bound.guards)
    run(again[1], truth)
    knows = again[1].finish()
    assert any(not each.is_ok for each in knows.guards)


def test_a_block_is_shown_when_the_one_after_it_is_asked_for(session):
    seen = run(session, last)
    for number, values in seen.items():
        own = session._asked[number].series
        assert len(values) == SIZES["history"] + (BLOCKS - 1) * 12, "the last block is never shown"
        expected = np.where(own.is_present, own.values, 0.0)[: len(values)]
        assert (values == expected).all()


def test_asking_ahead_gives_up_the_blocks_between(harness, session):
    while not call(session, "next").head["is_done"]:
        pass
    said = session.finish()
    assert said.metric_value > 1
    with pytest.raises(harness.Refusal, match="no block"):
        call(session, "forecast", np.zeros(12), series=0)


def test_a_forecast_is_of_the_series_asked_for_once_whole_and_finite(harness, session):
    number = call(session, "next").head["series"]
    for rows, series in (([np.zeros(12)], number + 1), ([np.zeros(11)], number), ([], number)):
        with pytest.raises(harness.Refusal):
            call(session, "forecast", *rows, series=series)
    for bad in (np.nan, np.inf, 1e300):
        with pytest.raises(harness.InvalidArtifact, match="finite"):
            call(session, "forecast", np.full(12, bad), series=number)
    call(session, "forecast", np.zeros(12), series=number)
    with pytest.raises(harness.Refusal, match="once"):
        call(session, "forecast", np.zeros(12), series=number)


def test_the_generators_forecast_agrees_with_plain_algebra_where_there_is_some(harness):
    """Volatility forgets by a known factor a step: two states differ ahead by its powers."""
    rng = np.random.default_rng(4)
    generator = harness.families.draw("volatility", rng, is_held_out=False)
    state = {"log": np.array([2.0])}
    found = harness.families.forecast(generator, state, 12, rng)
    still = harness.families.forecast(generator, {"log": np.array([0.0])}, 12, rng)
    keep = ((found - still)[-1] / 2.0) ** (1 / 12)
    assert 0.93 < keep < 0.995
    assert np.allclose(found - still, 2.0 * keep ** np.arange(1, 13), atol=0.25)


ADMITTED = [
    each
    for each in TASK.cheats
    if is_admitted(admit(TASK, read_tree(TASK.repo), patched_tree(TASK, each)))
]


@pytest.mark.parametrize("cheat", TASK.cheats, ids=lambda each: each.name)
def test_what_admission_refuses_is_named_so(cheat):
    assert cheat in ADMITTED or "not_admitted" in cheat.expect


@pytest.mark.slow
@pytest.mark.parametrize("cheat", ADMITTED, ids=lambda each: each.name)
def test_a_cheat_that_is_admitted_ends_as_its_list_says(cheat, tmp_path):
    backend, profile = BubblewrapBackend(), TASK.profiles["smoke"]
    if not backend.availability().is_available:
        pytest.skip("needs bubblewrap")
    try:
        backend.prepare(TASK.environment)
    except EnvironmentBuildError as error:
        pytest.skip(f"no numpy: {error}")
    profile = replace(profile, plan=replace(profile.plan, max_pairs=4))
    repo, patched = read_tree(TASK.repo), patched_tree(TASK, cheat)
    runs = measure(
        TASK, profile, backend, repo, patched, purpose=Purpose.CONTROL,
        campaign_secret=bytes(16), lineage="cheats", round_id=cheat.name, cache=tmp_path,
    )  # fmt: skip
    said = score(TASK, profile, runs, purpose=Purpose.CONTROL, source=source_facts(repo, patched))
    ended = said.verdict.value
    if said.verdict is Verdict.INVALID:
        ended = next(name for name in said.outcomes if name != "ok")
    assert ended in cheat.expect, said.reason
