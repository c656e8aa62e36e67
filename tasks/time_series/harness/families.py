"""Six families of generated series, each a state that steps with noise, so that its own best forecast can be computed.

A family steps many copies of its state at once: one copy makes the series, a thousand copies of one state, each with noise of
its own, average to the forecast of who knows the generator and its state. Nothing beats that but luck.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
State = Mapping[str, Floats]
"""Arrays whose first axis runs over copies."""
Step = Callable[[State, np.random.Generator], tuple[State, Floats]]
DRIVERS = 2
WARM_UP = 100
"""Steps before the first that is shown, so that the start does not matter."""
COPIES = 1000
"""That a state is followed by for its forecast: their mean is off by a thousandth of the noise's variance."""
MEMORY = 24
"""Steps that a state looks back at most."""


@dataclass(frozen=True, kw_only=True)
class Generator:
    """One series' generator: what it begins with and how it steps."""

    start: State
    step: Step
    gap_rate: float = 0.0
    """Chance per step that a stretch of missing values begins."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """What a generator made, and what it would have forecast itself."""

    values: Floats
    """Shape (steps,)."""
    is_present: NDArray[np.bool_]
    drivers: Floats
    """Shape (steps, DRIVERS); known up to the present only."""
    oracle: Floats
    """Shape (blocks, horizon): the mean of the future given the state before each block."""


def draw(name: str, rng: np.random.Generator, *, is_held_out: bool) -> Generator:
    """A generator of a family with fresh parameters; `is_held_out` takes its kind from beyond those of development."""
    return FAMILIES[name](rng, is_held_out)


def generate(
    generator: Generator, rng: np.random.Generator, *, history: int, blocks: int, horizon: int
) -> Series:
    """Step once through history and blocks, and from each block's beginning a thousand times ahead."""
    state = {key: np.array(value)[None] for key, value in generator.start.items()}
    drivers = np.zeros(DRIVERS)
    values, seen, oracle = [], [], []
    for at in range(-WARM_UP, history + blocks * horizon):
        if at >= history and (at - history) % horizon == 0:
            oracle.append(forecast(generator, state, horizon, rng))
        state, value = generator.step(state, rng)
        # Series without drivers of their own are handed drivers that have nothing to say.
        drivers = 0.9 * drivers + rng.normal(size=DRIVERS)
        if at >= 0:
            values.append(float(value[0]))
            seen.append(state["drivers"][0, :, -1] if "drivers" in state else drivers)
    return Series(
        values=np.array(values),
        is_present=_present(len(values), generator.gap_rate, rng),
        drivers=np.array(seen),
        oracle=np.array(oracle),
    )


def forecast(generator: Generator, state: State, horizon: int, rng: np.random.Generator) -> Floats:
    """Mean over many futures of one state, shape (horizon,)."""
    copies = {key: np.repeat(value, COPIES, axis=0) for key, value in state.items()}
    means = []
    for _ in range(horizon):
        copies, value = generator.step(copies, rng)
        means.append(float(value.mean()))
    return np.array(means)


def _present(steps: int, gap_rate: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    is_present = np.ones(steps, dtype=bool)
    for at in np.flatnonzero(rng.random(steps) < gap_rate):
        is_present[at : at + int(rng.integers(3, 15))] = False
    return is_present


def _seasonal(rng: np.random.Generator, is_held_out: bool) -> Generator:
    """Two periods whose waves change slowly, around a level that wanders; held out are longer periods."""
    periods = rng.uniform(7, 13), rng.uniform(26, 60) if is_held_out else rng.uniform(18, 30)
    turns = np.exp(2j * np.pi / np.array(periods))
    sizes, drift, noise = rng.uniform(0.7, 1.6, 2), rng.uniform(0.02, 0.06), rng.uniform(0.2, 0.4)

    def step(state: State, rng: np.random.Generator) -> tuple[State, Floats]:
        waves = state["re"] + 1j * state["im"]
        n = len(waves)
        kick = drift * sizes * (rng.normal(size=(n, 2)) + 1j * rng.normal(size=(n, 2)))
        waves = waves * turns * (1 - drift**2 / 2) + kick
        level = state["level"] + 0.02 * rng.normal(size=n)
        value = level + waves.real.sum(axis=1) + noise * rng.normal(size=n)
        return {"re": waves.real, "im": waves.imag, "level": level}, value

    return Generator(start={"re": sizes, "im": np.zeros(2), "level": np.array(0.0)}, step=step)


def _exog(rng: np.random.Generator, is_held_out: bool) -> Generator:
    """Drivers that act after some steps, under noise of changing size; held out is a driver that acts by its square."""
    lags, sizes = (
        rng.integers(8, 20, DRIVERS),
        rng.choice([-1, 1], DRIVERS) * rng.uniform(0.6, 1.2, DRIVERS),
    )
    memory, keep = rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.8)

    def step(state: State, rng: np.random.Generator) -> tuple[State, Floats]:
        past, n = state["drivers"], len(state["level"])
        fresh = keep * past[:, :, -1] + np.sqrt(1 - keep**2) * rng.normal(size=(n, DRIVERS))
        past = np.concatenate([past[:, :, 1:], fresh[:, :, None]], axis=2)
        first, second = past[:, 0, -1 - lags[0]], past[:, 1, -1 - lags[1]]
        felt = sizes[0] * np.tanh(2 * first) + sizes[1] * (second**2 - 1 if is_held_out else second)
        spread = np.clip(state["spread"] * np.exp(0.1 * rng.normal(size=n)), 0.2, 0.8)
        level = memory * state["level"] + felt
        return {"drivers": past, "level": level, "spread": spread}, level + spread * rng.normal(
            size=n
        )

    start = {
        "drivers": np.zeros((DRIVERS, MEMORY)),
        "level": np.array(0.0),
        "spread": np.array(0.4),
    }
    return Generator(start=start, step=step)


def _chaos(rng: np.random.Generator, is_held_out: bool) -> Generator:
    """A nonlinear map with a little noise in its state and in what is seen; held out is one with a delay."""
    growth, shape = rng.uniform(1.3, 1.4), rng.uniform(0.27, 0.3)
    noise, slow = rng.uniform(0.02, 0.05), rng.uniform(0.15, 0.2)

    def henon(state: State, rng: np.random.Generator) -> tuple[State, Floats]:
        past, n = state["past"], len(state["past"])
        fresh = 1 - growth * past[:, -1] ** 2 + shape * past[:, -2]
        fresh = np.clip(fresh + 0.003 * rng.normal(size=n), -1.5, 1.5)
        past = np.concatenate([past[:, 1:], fresh[:, None]], axis=1)
        return {"past": past}, fresh + noise * rng.normal(size=n)

    def delayed(state: State, rng: np.random.Generator) -> tuple[State, Floats]:
        past, n = state["past"], len(state["past"])
        late = past[:, -17]
        fresh = past[:, -1] + slow * 2.2 * late / (1 + late**10) - slow * 1.1 * past[:, -1]
        fresh = fresh * np.exp(0.003 * rng.normal(size=n))
        past = np.concatenate([past[:, 1:], fresh[:, None]], axis=1)
        return {"past": past}, fresh + noise * rng.normal(size=n)

    start = rng.uniform(0.4, 0.9, MEMORY) if is_held_out else rng.uniform(-0.1, 0.1, MEMORY)
    return Generator(start={"past": start}, step=delayed if is_held_out else henon)


def _regime(rng: np.random.Generator, is_held_out: bool) -> Generator:
    """Two ways to behave, one above a threshold and one below; held out is a threshold on an older value."""
    delay = 3 if is_held_out else 2
    up, down = rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.6)
    drive, noise = rng.uniform(1.2, 2.0), rng.uniform(0.25, 0.4)

    def step(state: State, rng: np.random.Generator) -> tuple[State, Floats]:
        past, n = state["past"], len(state["past"])
        is_above = past[:, -delay] > 0
        mean = np.where(is_above, down * past[:, -1] - drive, up * past[:, -1] + drive)
        fresh = mean + noise * rng.normal(size=n)
        return {"past": np.concatenate([past[:, 1:], fresh[:, None]], axis=1)}, fresh

    return Generator(start={"past": np.zeros(MEMORY)}, step=step)


def _volatility(rng: np.random.Generator, is_held_out: bool) -> Generator:
    """The log size of returns whose spread comes in clusters; held out are returns with heavier tails."""
    keep, spread = rng.uniform(0.95, 0.985), rng.uniform(0.5, 0.9)
    tail = 4.0 if is_held_out else 12.0

    def step(state: State, rng: np.random.Generator) -> tuple[State, Floats]:
        n = len(state["log"])
        log = keep * state["log"] + spread * np.sqrt(1 - keep**2) * rng.normal(size=n)
        size = np.abs(rng.standard_t(tail, size=n)) + 0.05
        return {"log": log}, log + np.log(size)

    return Generator(start={"log": np.array(0.0)}, step=step)


def _vitals(rng: np.random.Generator, is_held_out: bool) -> Generator:
    """A rhythm and an inertia seen through saturation, with falls that recover and missing stretches; held out are more falls."""
    period, size = rng.uniform(20, 28), rng.uniform(0.6, 1.0)
    keep, noise, fall_rate = (
        rng.uniform(0.8, 0.92),
        rng.uniform(0.1, 0.2),
        0.08 if is_held_out else 0.04,
    )

    def step(state: State, rng: np.random.Generator) -> tuple[State, Floats]:
        n = len(state["at"])
        at = state["at"] + 2 * np.pi / period
        inner = keep * state["inner"] + 0.25 * rng.normal(size=n)
        deficit = 0.85 * state["deficit"] + np.where(rng.random(n) < fall_rate, 0.8, 0.0)
        signal = 0.4 + size * np.sin(at) + inner - deficit
        value = 100 / (1 + np.exp(-2 * signal)) + 10 * noise * rng.normal(size=n)
        return {"at": at, "inner": inner, "deficit": deficit}, value

    zero = np.array(0.0)
    return Generator(start={"at": zero, "inner": zero, "deficit": zero}, step=step, gap_rate=0.01)


FAMILIES: Mapping[str, Callable[[np.random.Generator, bool], Generator]] = {
    "seasonal": _seasonal,
    "exog": _exog,
    "chaos": _chaos,
    "regime": _regime,
    "volatility": _volatility,
    "vitals": _vitals,
}
"""In the order in which parts are reported. Names say what they imitate, and nothing about markets or patients."""
