"""The self-training task's verbs: a policy of improvement is served, and what it made of the weak model is examined."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from harness_kit import Check, Graded, InvalidArtifact, Part, canonical_json, pcg64
from harness_kit.frames import Array, Frame
from harness_kit.serving import Meter, Refusal, dispatch
from harness_kit.verbs import InstanceFolder, Request, declared_task

from harness import model, problems, weak_models
from harness.engine import Engine, Flaw, UnknownNumber
from harness.problems import HARDEST, KINDS, LEVELS, OLD_SKILL, PRACTISED, Problems, Tokens

SHOWN_PURPOSES = ("dev", "screen")
"""Start from weak model a; every other purpose starts from b, which no candidate has been chosen on."""
SHA256 = {
    "a": "3d7ace2226ef03f5cd89ff990fb0324acb28da5b10521f0ae20c359efea6330a",
    "b": "25c0d951fe06c977281fc1ebe2f6f6ebf5d58856e73f58df9393e5effb755bac",
}
LARGEST = 1 << 31
"""Of the numbers that a call takes."""
NUMBERS = {"i4": np.dtype("<i4"), "f4": np.dtype("<f4"), "u1": np.dtype("u1")}


class SelfTrainingHarness:
    """Owns the model, its sampler, its optimiser and the examination."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "probability of a wrong answer, mean over hidden problems, after a budget of model tokens",
            "pattern": "served: the candidate names samples by number and never sees or hands in a text",
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        about = {"kinds": list(KINDS), "levels": list(LEVELS[:-1])}
        (public / "practice.json").write_bytes(canonical_json(about))
        drawing = pcg64(request.seed, "hidden")
        start = "a" if request.purpose in SHOWN_PURPOSES else "b"
        hidden = _examination(drawing, request.integer("hidden"))
        stored = {
            "start": start,
            "practised": _stored(hidden[0]),
            "old_skill": _stored(hidden[1]),
        }
        (secret / "hidden.json").write_bytes(canonical_json(stored))

    def session(self, instance: InstanceFolder) -> "Session":
        stored = json.loads((instance.secret / "hidden.json").read_text(encoding="utf-8"))
        budget = declared_task()["budget"]
        assert isinstance(budget, dict)
        meter = Meter(unit=budget["unit"], limit=budget["limit"])
        rng = pcg64(instance.request.seed, "sampling")
        percent = instance.request.integer("false_positives_percent")
        flaw = Flaw(share=percent / 100, rng=pcg64(instance.request.seed, "verdicts"))
        engine = Engine(
            weak_models.load(stored["start"]), rng, meter.spend, flaw if percent else None
        )
        return Session(engine, _loaded(stored["practised"]), _loaded(stored["old_skill"]), meter)

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        del workspace
        rng = pcg64(request.seed, "selfcheck")
        hidden, old = _examination(rng, 200)
        checks = []
        for name in weak_models.NAMES:
            digest = hashlib.sha256(weak_models.path(name).read_bytes()).hexdigest()
            checks.append(
                Check(
                    name=f"weights_{name}_are_those_of_the_recipe",
                    is_ok=digest == SHA256[name],
                    evidence=digest[:16],
                )
            )
            weights = weak_models.load(name)
            start = float(chances(weights, hidden).mean())
            kept = float(chances(weights, old).mean())
            checks.append(
                Check(
                    name=f"model_{name}_is_weak_and_not_broken",
                    is_ok=0.1 < start < 0.5 and kept > 0.9,
                    evidence=f"right {start:.3f}, old skill {kept:.3f}",
                )
            )
        return (*checks, _gradient_check(rng, hidden))


class Session:
    """One candidate's run: calls by number, then the examination."""

    def __init__(self, engine: Engine, hidden: Problems, old: Problems, meter: Meter) -> None:
        self._engine, self._hidden, self._old, self._meter = engine, hidden, old, meter
        self._said = hashlib.sha256()
        self._calls: dict[str, Callable[[Frame], Frame]] = {
            "problems": self._problems,
            "propose": self._propose,
            "sample": self._sample,
            "verify": self._verify,
            "trace": self._trace,
            "judge_fit": self._judge_fit,
            "judge_score": self._judge_score,
            "update": self._update,
            "left": lambda _: Frame(head={}),
        }

    def answer(self, call: str, frame: Frame) -> Frame:
        self._said.update(repr(sorted(frame.head.items())).encode("utf-8", "backslashreplace"))
        try:
            reply = dispatch(self._calls, call, frame)
        except UnknownNumber as problem:
            raise InvalidArtifact(str(problem)) from None
        left = self._meter.limit - self._meter.used
        return Frame(head={**reply.head, "left": left}, arrays=reply.arrays)

    def _problems(self, frame: Frame) -> Frame:
        _expect(frame, {"count", "kind", "level"}, ())
        count = _integer(frame, "count")
        kind, level = _optional(frame, "kind"), _optional(frame, "level")
        return _about(*self._engine.problems(count, kind, level))

    def _propose(self, frame: Frame) -> Frame:
        _expect(frame, {"count"}, ())
        return _about(*self._engine.propose(_integer(frame, "count")))

    def _sample(self, frame: Frame) -> Frame:
        has_parents = len(frame.arrays) == 2
        _expect(frame, {"n_each", "temperature"}, ("i4", "i4") if has_parents else ("i4",))
        found = self._engine.sample(
            _numbers(frame, 0),
            _integer(frame, "n_each"),
            _real(frame, "temperature"),
            _numbers(frame, 1) if has_parents else None,
        )
        return Frame(
            head={"first": found.first},
            arrays=(
                _array("i4", found.problem),
                _array("i4", found.same),
                _array("f4", found.log_p),
                _array("u1", found.is_well_formed),
            ),
        )

    def _verify(self, frame: Frame) -> Frame:
        _expect(frame, set(), ("i4",))
        return Frame(head={}, arrays=(_array("u1", self._engine.verify(_numbers(frame, 0))),))

    def _trace(self, frame: Frame) -> Frame:
        _expect(frame, set(), ("i4",))
        return Frame(head={}, arrays=(_array("i4", self._engine.trace(_numbers(frame, 0))),))

    def _judge_fit(self, frame: Frame) -> Frame:
        _expect(frame, set(), ("i4", "u1"))
        chosen, verdicts = _numbers(frame, 0), _numbers(frame, 1)
        _alike(chosen, verdicts)
        self._engine.judge_fit(chosen, verdicts)
        return Frame(head={})

    def _judge_score(self, frame: Frame) -> Frame:
        _expect(frame, set(), ("i4",))
        return Frame(head={}, arrays=(_array("f4", self._engine.judge_score(_numbers(frame, 0))),))

    def _update(self, frame: Frame) -> Frame:
        _expect(frame, {"rate"}, ("i4", "f4"))
        chosen, pull = _numbers(frame, 0), _floats(frame, 1)
        _alike(chosen, pull)
        return Frame(head={"log_p": self._engine.update(chosen, pull, _real(frame, "rate"))})

    def finish(self) -> Graded:
        """Examine the model as it is now."""
        weights, hidden = self._engine.weights, self._hidden
        right, old = chances(weights, hidden), chances(weights, self._old)
        if not (np.isfinite(right).all() and np.isfinite(old).all()):
            return Graded(outcome="invalid_output", reason="the model's weights are no numbers now")
        by_kind = {name: right[hidden.kind == kind] for kind, name in enumerate(PRACTISED)}
        groups = {
            **by_kind,
            "levels_practised": right[hidden.level < HARDEST],
            "one_level_harder": right[hidden.level == HARDEST],
            "old_skill": old,
        }
        return Graded(
            metric_value=1 - float(right.mean()),
            quality={
                "old_skill": float(old.mean()),
                "worst_kind": min(float(each.mean()) for each in by_kind.values()),
            },
            parts=[
                Part(name=name, value=float(each.mean()), n=len(each))
                for name, each in groups.items()
            ],
            used=self._meter.used,
            hidden_reads=1,
            reply_digest=self._said.hexdigest(),
        )


def chances(weights: model.Weights, asked: Problems) -> model.Floats:
    """Probability that the model, asked at temperature 1, gives the right answer. Shape (n,)."""
    rows = problems.bare_rows(asked, asked.answer)
    log_p = model.log_softmax(model.logits(weights, rows, problems.MARK_AT)[:, :-1])
    said = np.take_along_axis(log_p, rows[:, 1:, None], axis=2)[:, -problems.ANSWER :, 0]
    return np.exp((said * (asked.answer != problems.PAD)).sum(axis=1))


def _examination(rng: np.random.Generator, count: int) -> tuple[Problems, Problems]:
    """Hidden problems, of each kind and level as many, and some of the old skill."""
    kinds = np.arange(count) % len(PRACTISED)
    levels = np.array(LEVELS)[np.arange(count) // len(PRACTISED) % len(LEVELS)]
    n_old = max(count // 4, len(LEVELS))
    old_levels = np.array(LEVELS)[np.arange(n_old) % len(LEVELS)]
    return (
        problems.draw(rng, kinds, levels),
        problems.draw(rng, np.full(n_old, OLD_SKILL), old_levels),
    )


def _gradient_check(rng: np.random.Generator, asked: Problems) -> Check:
    """The backward pass by hand against differences."""
    exact = {key: value.astype(np.float64) for key, value in weak_models.load("a").items()}
    rows = problems.bare_rows(asked, asked.answer)[:4]
    pull = rng.standard_normal((len(rows), rows.shape[1] - 1))

    def loss(weights: model.Weights) -> float:
        log_p = model.log_softmax(model.logits(weights, rows, problems.MARK_AT)[:, :-1])
        return -float((pull * np.take_along_axis(log_p, rows[:, 1:, None], axis=2)[:, :, 0]).sum())

    found, _ = model.gradient(exact, rows, problems.MARK_AT, pull)
    worst = 0.0
    for name, value in exact.items():
        step = rng.standard_normal(value.shape) * 1e-6
        slope = loss({**exact, name: value + step}) - loss({**exact, name: value - step})
        expected = 2 * float((found[name] * step).sum())
        worst = max(worst, abs(slope - expected) / (abs(expected) + 1e-7))
    return Check(
        name="gradients_are_those_of_the_loss",
        is_ok=worst < 1e-2,
        evidence=f"largest difference {worst:.2e}",
    )


def _stored(asked: Problems) -> dict[str, object]:
    return {
        "kind": asked.kind.tolist(),
        "level": asked.level.tolist(),
        "prompt": asked.prompt.tolist(),
        "answer": asked.answer.tolist(),
    }


def _loaded(stored: Mapping[str, Sequence[object]]) -> Problems:
    return Problems(**{key: np.array(value, dtype=np.int64) for key, value in stored.items()})


def _about(first: int, found: Problems) -> Frame:
    """What is told of problems: numbers, kinds and levels."""
    return Frame(
        head={"first": first}, arrays=(_array("i4", found.kind), _array("i4", found.level))
    )


def _expect(frame: Frame, arguments: set[str], dtypes: tuple[str, ...]) -> None:
    """Nothing but what a call takes."""
    if extra := sorted(set(frame.head) - arguments - {"call"}):
        raise Refusal(f"no argument {extra[0][:40]!r}; there are {', '.join(sorted(arguments))}")
    said = tuple(each.dtype for each in frame.arrays)
    if said != dtypes or any(len(each.shape) != 1 for each in frame.arrays):
        raise Refusal(f"arrays of {said}, expected rows of {dtypes}")


def _integer(frame: Frame, name: str) -> int:
    value = frame.head.get(name)
    if type(value) is not int or abs(value) > LARGEST:
        raise Refusal(f"{name} is {str(value)[:40]!r}, expected a whole number")
    return value


def _optional(frame: Frame, name: str) -> int | None:
    return None if frame.head.get(name) is None else _integer(frame, name)


def _real(frame: Frame, name: str) -> float:
    value = frame.head.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LARGEST:
        raise Refusal(f"{name} is {str(value)[:40]!r}, expected a number")
    return float(value)


def _numbers(frame: Frame, at: int) -> Tokens:
    each = frame.arrays[at]
    return np.frombuffer(each.content, dtype=NUMBERS[each.dtype]).astype(np.int64)


def _floats(frame: Frame, at: int) -> model.Floats:
    values = np.frombuffer(frame.arrays[at].content, dtype=NUMBERS["f4"]).astype(np.float32)
    if not np.isfinite(values).all():
        raise InvalidArtifact("a weight is not a number")
    return values


def _alike(left: Tokens, right: model.Floats | Tokens) -> None:
    if len(left) != len(right):
        raise Refusal(f"{len(left)} samples and {len(right)} numbers for them")


def _array(dtype: str, values: object) -> Array:
    found = np.ascontiguousarray(values, dtype=NUMBERS[dtype])
    return Array(dtype=dtype, shape=found.shape, content=found.tobytes())
