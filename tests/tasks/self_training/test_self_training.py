"""The self-training task: right answers by a second way, calls that keep to numbers, a meter that counts every token."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.tasks.conftest import harness_of

from rsi.tasks.format.loader import load_task
from rsi.tasks.harness_kit.frames import Array, Frame
from rsi.tasks.harness_kit.seeds import pcg64

PARTS = ("problems", "model", "engine", "task", "weak_models")
LIMIT = 30_000


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    with harness_of(load_task("self_training"), tmp_path_factory.mktemp("trusted"), PARTS) as found:
        # The harness's own classes of the kit: a sandbox has them under this name, and so has this test.
        from harness_kit import InvalidArtifact
        from harness_kit.serving import Meter, Refusal

        yield SimpleNamespace(
            **vars(found), Meter=Meter, Refusal=Refusal, InvalidArtifact=InvalidArtifact
        )


@pytest.fixture
def session(harness):
    meter = harness.Meter(unit="model_tokens", limit=LIMIT)
    rng = pcg64(bytes(32), "test")
    engine = harness.engine.Engine(harness.weak_models.load("a"), rng, meter.spend)
    hidden, old = harness.task._examination(pcg64(bytes(32), "hidden"), 64)
    return harness.task.Session(engine, hidden, old, meter)


def numbers(values, dtype="i4"):
    found = np.asarray(values, dtype=dtype)
    return Array(dtype=dtype, shape=found.shape, content=found.tobytes())


def call(session, name, *arrays, **arguments):
    return session.answer(name, Frame(head={"call": name, **arguments}, arrays=arrays))


def values(array):
    return np.frombuffer(array.content, dtype=array.dtype)


def used(session):
    return session._meter.used


def sampled(session, problems=4, n_each=4):
    call(session, "problems", count=problems)
    return call(session, "sample", numbers(range(problems)), n_each=n_each, temperature=1.0)


def test_right_answers_are_those_of_plain_arithmetic(harness):
    p = harness.problems
    kinds = np.repeat(np.arange(5), 80)
    drawn = p.draw(np.random.default_rng(1), kinds, np.tile(np.repeat(p.LEVELS, 20), 5))
    for kind, prompt, answer in zip(drawn.kind, drawn.prompt, drawn.answer, strict=True):
        text = "".join(p.SYMBOLS[each] for each in prompt).lstrip("_")
        said = "".join(p.SYMBOLS[each] for each in answer).rstrip("_")
        digits = [int(each) for each in text if each.isdigit()]
        if kind == 0:
            left, right = text.split("+")
            expected = str(int(left) + int(right)).zfill(len(left) + 1)[::-1]
        else:
            expected = "".join(
                str(each)
                for each in (
                    digits[::-1] if kind == 1
                    else sorted(digits) if kind == 2
                    else [sum(digits[: n + 1]) % 10 for n in range(len(digits))] if kind == 3
                    else digits
                )
            )  # fmt: skip
        assert said == f"{expected}."
        parsed = p.parse(prompt)
        assert parsed is not None
        assert (parsed.kind[0], *parsed.answer[0]) == (kind, *answer)


def test_a_wrong_text_is_no_problem(harness):
    p = harness.problems
    for text in ("", "1+", "12+3", "r1", "r123456", "x12", "12", "1+2+3", "12345+12345"[:9]):
        row = np.array([p.CODE[each] for each in text.rjust(p.PROBLEM, "_")])
        assert p.parse(row) is None, text


def test_both_models_are_weak_and_not_broken(harness):
    hidden, old = harness.task._examination(pcg64(bytes(32), "weak"), 256)
    for name in harness.weak_models.NAMES:
        weights = harness.weak_models.load(name)
        assert 0.2 < harness.task.chances(weights, hidden).mean() < 0.4
        assert harness.task.chances(weights, old).mean() > 0.95
        assert harness.weak_models.path(name).stat().st_size < 1_000_000


def test_sampling_says_the_log_probability_that_a_forward_pass_says(harness, session):
    reply = sampled(session)
    engine, p = session._engine, harness.problems
    answers, of = engine._samples(np.arange(16))
    log_p = harness.model.log_softmax(
        harness.model.logits(engine.weights, p.bare_rows(of, answers), p.MARK_AT)[:, :-1]
    )
    rows = p.bare_rows(of, answers)
    said = np.take_along_axis(log_p, rows[:, 1:, None], axis=2)[:, -p.ANSWER :, 0]
    expected = (said * (answers != p.PAD)).sum(axis=1)
    assert np.allclose(values(reply.arrays[2]), expected, atol=1e-3)


def test_every_token_is_counted(harness, session):
    sampled(session)
    answers, _ = session._engine._samples(np.arange(16))
    written = int((answers != harness.problems.PAD).sum())
    assert used(session) == 4 * 11 + written
    for name, arrays, arguments, price in (
        ("verify", (numbers([0, 1]),), {}, 40),
        ("trace", (numbers([0, 1]),), {}, 40),
        ("judge_fit", (numbers([0, 1]), numbers([0, 1], "u1")), {}, 34),
        ("judge_score", (numbers([0]),), {}, 17),
        ("update", (numbers([0]), numbers([1], "f4")), {"rate": 1e-3}, 51),
    ):
        before = used(session)
        call(session, name, *arrays, **arguments)
        assert used(session) - before == price, name
    assert session.finish().used == used(session)


def test_beyond_the_budget_nothing_is_done(harness, session):
    call(session, "problems", count=1000)
    with pytest.raises(harness.Refusal, match="over the budget"):
        call(session, "sample", numbers(range(1000)), n_each=4, temperature=1.0)
    assert session._engine._answers.count == 0
    assert used(session) == 0


@pytest.mark.parametrize("number", [-1, 16, 1_000_000])
@pytest.mark.parametrize("name", ["verify", "trace", "judge_score", "update"])
def test_a_number_that_the_model_never_produced_ends_the_run(harness, session, name, number):
    sampled(session)
    call(session, "judge_fit", numbers([0, 1]), numbers([0, 1], "u1"))
    before = {key: each.copy() for key, each in session._engine.weights.items()}
    more = ([numbers([1], "f4")], {"rate": 1e-3}) if name == "update" else ([], {})
    with pytest.raises(harness.InvalidArtifact, match="never produced"):
        call(session, name, numbers([number]), *more[0], **more[1])
    assert all((before[key] == each).all() for key, each in session._engine.weights.items())


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_ends_the_run(harness, session, weight):
    sampled(session)
    with pytest.raises(harness.InvalidArtifact, match="not a number"):
        call(session, "update", numbers([0]), numbers([weight], "f4"), rate=1e-3)


@pytest.mark.parametrize(
    ("name", "arrays", "arguments", "words"),
    [
        ("problems", (), {"count": 1, "level": 4}, "level 4"),
        ("problems", (), {"count": 1, "kind": 5}, "kind 5"),
        ("problems", (), {"count": 0}, "1 to 4096"),
        ("problems", (), {"count": True}, "whole number"),
        ("problems", (), {"count": 1 << 40}, "whole number"),
        ("sample", ([0],), {"n_each": -5, "temperature": 1.0}, "samples at once"),
        ("sample", ([0],), {"n_each": 5000, "temperature": 1.0}, "samples at once"),
        ("sample", ([0],), {"n_each": 1, "temperature": 0}, "temperature"),
        ("sample", ([0],), {"n_each": 1, "temperature": "hot"}, "a number"),
        ("sample", ([0], [1, 2]), {"n_each": 1, "temperature": 1.0}, "each parent"),
        ("sample", ([1], [0]), {"n_each": 1, "temperature": 1.0}, "each parent"),
        ("sample", ([0], [0]), {"n_each": 1, "temperature": 1.0}, "trace, or with the verdict"),
        ("verify", ([],), {}, "0 samples"),
        ("verify", ([0],), {"answers": ["42."]}, "no argument 'answers'"),
        ("verify", (), {}, "expected rows"),
        ("judge_score", ([0],), {}, "no judge yet"),
        ("exam", (), {}, "no call 'exam'"),
    ],
)
def test_what_a_call_does_not_take_is_refused_and_costs_nothing(
    harness, session, name, arrays, arguments, words
):
    sampled(session)
    before = used(session)
    with pytest.raises(harness.Refusal, match=words):
        call(session, name, *(numbers(each) for each in arrays), **arguments)
    assert used(session) == before


@pytest.mark.parametrize(
    ("weights", "rate", "words"),
    [([1, 1], 1e-3, "2 numbers"), ([11], 1e-3, "10 is the largest"), ([1], 0, "a rate"), ([1], 1, "a rate")],
)  # fmt: skip
def test_a_wild_step_is_refused(harness, session, weights, rate, words):
    sampled(session)
    with pytest.raises(harness.Refusal, match=words):
        call(session, "update", numbers([0]), numbers(weights, "f4"), rate=rate)


def test_a_further_answer_needs_a_bought_verdict_or_trace_and_is_learnt_under_the_bare_prompt(
    harness, session
):
    sampled(session, problems=8, n_each=8)
    right = values(call(session, "verify", numbers(range(64))).arrays[0])
    wrong = [int(each) for each in np.flatnonzero(right == 0)[:6]]
    assert wrong
    found = call(
        session,
        "sample",
        numbers([each // 8 for each in wrong]),
        numbers(wrong),
        n_each=2,
        temperature=1.0,
    )
    assert found.head["first"] == 64
    assert values(found.arrays[0]).tolist() == np.repeat([each // 8 for each in wrong], 2).tolist()
    before = call(session, "update", numbers([64]), numbers([1], "f4"), rate=1e-3).head["log_p"]
    p, engine = harness.problems, session._engine
    _, of = engine._samples(np.array([64]))
    assert np.isfinite(before)
    for _ in range(20):
        after = call(session, "update", numbers([64]), numbers([1], "f4"), rate=1e-3).head["log_p"]
    assert after > before
    assert p.bare_rows(of, of.answer).shape[1] == p.BARE_LENGTH


def test_learning_what_is_right_makes_the_model_better_and_a_seed_tells_all(harness):
    def trained():
        meter = harness.Meter(unit="model_tokens", limit=60_000)
        rng = pcg64(bytes(32), "test")
        engine = harness.engine.Engine(harness.weak_models.load("a"), rng, meter.spend)
        hidden, old = harness.task._examination(pcg64(bytes(32), "hidden"), 64)
        session = harness.task.Session(engine, hidden, old, meter)
        begun = session.finish().metric_value
        for n in range(4):
            call(session, "problems", count=64)
            ids = np.arange(n * 64, n * 64 + 64)
            first = call(session, "sample", numbers(ids), n_each=4, temperature=1.0).head["first"]
            samples = np.arange(first, first + 256)
            right = values(call(session, "verify", numbers(samples)).arrays[0])
            chosen = samples[right == 1]
            call(session, "update", numbers(chosen), numbers(np.ones(len(chosen)), "f4"), rate=1e-3)
        return begun, session.finish().metric_value

    begun, ended = trained()
    assert ended < 0.95 * begun
    assert trained() == (begun, ended)
