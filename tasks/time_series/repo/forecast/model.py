"""A small network on the last values, trained afresh for every forecast and iterated to the horizon."""

import numpy as np

LAGS = 8
HIDDEN = 8
STEPS = 300
RATE = 0.02


def forecast(values, is_present, drivers, horizon, rng):
    """One step ahead, again and again."""
    inner = rng.normal(size=(LAGS, HIDDEN)) * 0.3
    outer = rng.normal(size=HIDDEN) * 0.3
    for _ in range(STEPS):
        at = int(rng.integers(LAGS, len(values)))
        lags = values[at - LAGS : at]
        seen = np.tanh(lags @ inner)
        miss = np.clip(values[at - 1] + seen @ outer - values[at], -5, 5)
        pull = miss * outer * (1 - seen**2)
        outer = outer - RATE * miss * seen
        inner = inner - RATE * np.outer(lags, pull)
    told = list(values[-LAGS:])
    for _ in range(horizon):
        lags = np.array(told[-LAGS:])
        told.append(told[-1] + np.tanh(lags @ inner) @ outer)
    return told[LAGS:]
