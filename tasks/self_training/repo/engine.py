"""The harness's engine as Python: everything is named by number, and every call is metered. Protected.

See PUBLIC.md for what each call does and counts.
"""

from dataclasses import dataclass

import numpy as np
from harness_link.frames import Array


@dataclass(frozen=True, kw_only=True)
class Problems:
    """Problems by number; one entry each."""

    ids: np.ndarray
    kind: np.ndarray
    level: np.ndarray

    def __len__(self):
        return len(self.ids)


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Answers by number, those to one problem together; one entry each."""

    ids: np.ndarray
    problem: np.ndarray
    same: np.ndarray
    """Equal where answers to one problem say the same."""
    log_p: np.ndarray
    is_well_formed: np.ndarray

    def __len__(self):
        return len(self.ids)

    def take(self, chosen):
        """Some of them, by a mask or by places."""
        return Samples(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


class Engine:
    """The weak model behind the socket."""

    def __init__(self, harness):
        self._harness = harness
        self.left = harness.call("left").head["left"]
        """Tokens of the budget that are left."""

    def problems(self, count, kind=None, level=None):
        """Fresh problems to practise on."""
        return _problems(self._call("problems", count=count, kind=kind, level=level))

    def propose(self, count):
        """Problems that the model writes; what it writes that is none is left out."""
        return _problems(self._call("propose", count=count))

    def sample(self, problem_ids, n_each=1, temperature=1.0, parents=None):
        """Answers to problems; with parents, further ones after a bought verdict or trace of those."""
        arrays = [_ids(problem_ids), *([] if parents is None else [_ids(parents)])]
        reply = self._call("sample", *arrays, n_each=n_each, temperature=temperature)
        problem, same, log_p, is_well_formed = (_values(each) for each in reply.arrays)
        first = reply.head["first"]
        return Samples(
            ids=np.arange(first, first + len(problem)),
            problem=problem,
            same=same,
            log_p=log_p,
            is_well_formed=is_well_formed.astype(bool),
        )

    def verify(self, sample_ids):
        """Whether each is right."""
        return _values(self._call("verify", _ids(sample_ids)).arrays[0]).astype(bool)

    def trace(self, sample_ids):
        """How many symbols of each are right before the first wrong one."""
        return _values(self._call("trace", _ids(sample_ids)).arrays[0])

    def judge_fit(self, sample_ids, verdicts):
        """Fit the judge on verdicts, 0 or 1."""
        self._call("judge_fit", _ids(sample_ids), _array("u1", verdicts))

    def judge_score(self, sample_ids):
        """How likely the judge takes each to be right."""
        return _values(self._call("judge_score", _ids(sample_ids)).arrays[0])

    def update(self, sample_ids, weights, rate):
        """One step of the optimiser; gives the mean log-probability of the samples before it."""
        arrays = _ids(sample_ids), _array("f4", weights)
        return self._call("update", *arrays, rate=rate).head["log_p"]

    def _call(self, name, *arrays, **arguments):
        reply = self._harness.call(name, arrays, **arguments)
        self.left = reply.head["left"]
        return reply


def _problems(reply):
    kind, level = (_values(each) for each in reply.arrays)
    first = reply.head["first"]
    return Problems(ids=np.arange(first, first + len(kind)), kind=kind, level=level)


def _ids(values):
    return _array("i4", values)


def _array(dtype, values):
    found = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
    return Array(dtype=dtype, shape=found.shape, content=found.tobytes())


def _values(array):
    return np.frombuffer(array.content, dtype=np.dtype(array.dtype).newbyteorder("<")).copy()
