"""Forecasts of many series: each is remembered as it is revealed and has a model of its own."""

import numpy as np

from forecast import model


class Forecaster:
    """Remembers what was revealed of each series and forecasts the next values of any."""

    def __init__(self, rng):
        self._rng = rng
        self._seen = {}

    def observe(self, series, values, is_present, drivers):
        """Take what was revealed: values (missing ones are 0), whether each is there, and drivers of shape (n, 2)."""
        new = (values, is_present, drivers)
        old = self._seen.get(series)
        self._seen[series] = new if old is None else tuple(map(_joined, old, new))

    def predict(self, series, horizon):
        """The next `horizon` values."""
        values, is_present, drivers = self._seen[series]
        return model.forecast(values, is_present, drivers, horizon, self._rng)


def _joined(old, new):
    return np.concatenate([old, new])
