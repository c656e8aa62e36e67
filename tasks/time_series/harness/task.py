"""The time-series task's verbs: fresh series for every instance, revealed block by block, errors held against their generators'."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from harness_kit import Check, Graded, InvalidArtifact, Part, canonical_json, pcg64
from harness_kit.frames import Array, Frame
from harness_kit.serving import Refusal, dispatch
from harness_kit.verbs import InstanceFolder, Request

from harness.families import FAMILIES, Floats, Series, draw, generate

SHOWN_PURPOSES = ("dev", "screen")
"""Draw from the kinds of development; every other purpose takes every second series of a family from beyond them."""
LINE = 0.1
"""Below the generators' own forecasts, from which the score is counted: luck on few blocks then leaves it above nothing."""
WORST = 9.0
"""Largest squared error of a block, in variances of the history; that of a block without a forecast as well."""
BEYOND = 4.0
"""Standard errors by which nobody is better than the generator."""
LARGEST = 1e12


class TimeSeriesHarness:
    """Generates, reveals in its own order, and compares."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "regret against the generators' own forecasts, mean over six families",
            "pattern": "served: a block is revealed after it was forecast, and not before",
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        sizes = {name: request.integer(name) for name in ("history", "blocks", "horizon")}
        (public / "about.json").write_bytes(canonical_json(sizes))
        stored = _drawn(request, sizes)
        (secret / "series.json").write_bytes(canonical_json(stored))

    def session(self, instance: InstanceFolder) -> "Session":
        stored = json.loads((instance.secret / "series.json").read_text(encoding="utf-8"))
        rng = pcg64(instance.request.seed, "order")
        order = rng.permutation(len(stored))
        series = [_Asked(family=stored[at]["family"], series=_loaded(stored[at])) for at in order]
        return Session(series, rng, history=instance.request.integer("history"))

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        del workspace
        return _checks(request.seed)


@dataclass(kw_only=True)
class _Asked:
    """One series, how much of it was revealed, and what was forecast."""

    family: str
    series: Series
    revealed: int = 0
    forecasts: dict[int, Floats] = field(default_factory=dict)


class Session:
    """One candidate's run: each block of every series in an order drawn anew, and each only after the block before."""

    def __init__(self, asked: Sequence[_Asked], rng: np.random.Generator, *, history: int) -> None:
        self._asked, self._history = asked, history
        blocks = len(asked[0].series.oracle)
        self._turns = [
            (int(at), block) for block in range(blocks) for at in rng.permutation(len(asked))
        ]
        self._at = -1
        self._said = hashlib.sha256()
        self._calls = {"next": self._next, "forecast": self._forecast}

    def answer(self, call: str, frame: Frame) -> Frame:
        return dispatch(self._calls, call, frame)

    def _next(self, _: Frame) -> Frame:
        """Go on to the next block, whether or not this one was forecast."""
        self._at = min(self._at + 1, len(self._turns))
        if self._at == len(self._turns):
            return Frame(head={"is_done": True})
        number, block = self._turns[self._at]
        one = self._asked[number]
        horizon = one.series.oracle.shape[1]
        until = self._history + block * horizon
        new = slice(one.revealed, until)
        one.revealed = until
        is_present = one.series.is_present[new]
        arrays = (
            _array("f8", np.where(is_present, one.series.values[new], 0.0)),
            _array("u1", is_present),
            _array("f8", one.series.drivers[new]),
        )
        return Frame(head={"is_done": False, "series": number, "horizon": horizon}, arrays=arrays)

    def _forecast(self, frame: Frame) -> Frame:
        if not 0 <= self._at < len(self._turns):
            raise Refusal("no block is asked for; call next")
        number, block = self._turns[self._at]
        one = self._asked[number]
        horizon = one.series.oracle.shape[1]
        if frame.head.get("series") != number or block in one.forecasts:
            raise Refusal(f"series {number} is asked for, once")
        if [(each.dtype, each.shape) for each in frame.arrays] != [("f8", (horizon,))]:
            raise Refusal(f"a forecast is one row of {horizon} numbers of kind f8")
        content = frame.arrays[0].content
        values = np.frombuffer(content, dtype="<f8").astype(np.float64)
        if not np.isfinite(values).all() or np.abs(values).max() > LARGEST:
            raise InvalidArtifact(f"series {number}: a forecast is not a finite number")
        one.forecasts[block] = values
        self._said.update(content)
        return Frame(head={})

    def finish(self) -> Graded:
        """Errors of every block; one that was never forecast has the largest."""
        return graded([_errors(one, self._history) for one in self._asked], self._said.hexdigest())


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Squared errors of one series' blocks, in variances of its history, each of shape (blocks,)."""

    family: str
    candidate: Floats
    oracle: Floats
    naive: Floats


def _errors(one: _Asked, history: int) -> Errors:
    series = one.series
    blocks, horizon = series.oracle.shape
    variance = float(np.var(series.values[:history][series.is_present[:history]]))
    rows = []
    for block in range(blocks):
        at = history + block * horizon
        seen = series.is_present[at : at + horizon]
        if not seen.any():
            continue
        truth = series.values[at : at + horizon][seen]
        last = series.values[:at][series.is_present[:at]][-1]
        said = one.forecasts.get(block)

        def error(values: Floats, truth: Floats = truth) -> float:
            return min(float(((values - truth) ** 2).mean()) / variance, WORST)

        rows.append(
            (
                WORST if said is None else error(said[seen]),
                error(series.oracle[block][seen]),
                error(np.full(len(truth), last)),
            )
        )
    candidate, oracle, naive = np.array(rows).reshape(-1, 3).T
    return Errors(family=one.family, candidate=candidate, oracle=oracle, naive=naive)


def graded(found: Sequence[Errors], digest: str) -> Graded:
    """The result of a run from the errors of its series."""
    regrets, guards, parts = [], [], []
    for family in FAMILIES:
        own = [each for each in found if each.family == family]
        errors = [
            np.concatenate([getattr(each, name) for each in own])
            for name in ("candidate", "oracle", "naive")
        ]
        candidate, oracle, naive = errors
        regret = float((candidate - oracle).mean() / max((naive - oracle).mean(), 0.05))
        regrets.append(regret)
        parts.append(Part(name=family, value=regret, n=len(candidate)))
        guards.append(_no_better_than_the_generator(family, candidate - oracle))
    return Graded(
        metric_value=max(float(np.mean(regrets)) + LINE, LINE / 10),
        quality={"worst_family": max(regrets)},
        parts=parts,
        guards=guards,
        hidden_reads=1,
        reply_digest=digest,
    )


def _no_better_than_the_generator(family: str, beyond: Floats) -> Check:
    """Errors of the candidate less the generator's: by chance below zero, but not by many standard errors."""
    spread = float(beyond.std(ddof=1)) / len(beyond) ** 0.5
    z = float(beyond.mean()) / spread if spread > 0 else 0.0
    return Check(name=f"bound_{family}", is_ok=z > -BEYOND, evidence=f"z = {z:.1f}")


def _drawn(request: Request, sizes: Mapping[str, int]) -> list[dict[str, object]]:
    stored: list[dict[str, object]] = []
    for family in FAMILIES:
        rng = pcg64(request.seed, family)
        for number in range(request.integer("series_per_family")):
            is_held_out = request.purpose not in SHOWN_PURPOSES and number % 2 == 1
            made = generate(draw(family, rng, is_held_out=is_held_out), rng, **sizes)
            stored.append(
                {
                    "family": family,
                    "values": np.round(made.values, 6).tolist(),
                    "is_present": made.is_present.astype(int).tolist(),
                    "drivers": np.round(made.drivers, 6).tolist(),
                    "oracle": np.round(made.oracle, 6).tolist(),
                }
            )
    return stored


def _loaded(stored: Mapping[str, Sequence[object]]) -> Series:
    return Series(
        values=np.array(stored["values"], dtype=np.float64),
        is_present=np.array(stored["is_present"], dtype=bool),
        drivers=np.array(stored["drivers"], dtype=np.float64),
        oracle=np.array(stored["oracle"], dtype=np.float64),
    )


def _checks(seed: bytes) -> list[Check]:
    """No forecast of a future that is not known beats the generator's, and who knows the future is told."""
    checks = []
    for family in FAMILIES:
        rng = pcg64(seed, f"selfcheck {family}")
        found = []
        for is_held_out in (False, True) * 4:
            made = generate(
                draw(family, rng, is_held_out=is_held_out), rng, history=200, blocks=12, horizon=12
            )
            found.append(_Asked(family=family, series=made))
        for one in found:
            futures = one.series.values[200:].reshape(12, 12)
            one.forecasts = dict(enumerate(futures))
        knows = np.concatenate(
            [(each := _errors(one, 200)).candidate - each.oracle for one in found]
        )
        naive = np.concatenate([(each := _errors(one, 200)).naive - each.oracle for one in found])
        checks += [
            Check(
                name=f"the_future_is_noticed_in_{family}",
                is_ok=not _no_better_than_the_generator(family, knows).is_ok,
                evidence=_no_better_than_the_generator(family, knows).evidence,
            ),
            Check(
                name=f"there_is_something_to_forecast_in_{family}",
                is_ok=float(naive.mean()) > 0.1,
                evidence=f"the last value errs by {naive.mean():.2f} variances more than the generator",
            ),
        ]
    return checks


def _array(dtype: str, values: Floats | np.ndarray) -> Array:
    found = np.ascontiguousarray(values, dtype=f"<{dtype}" if dtype != "u1" else "u1")
    return Array(dtype=dtype, shape=found.shape, content=found.tobytes())
