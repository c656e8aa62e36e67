"""Errors of the evidence room.

EvidenceError
├── TooFewPairsError    a statistic was asked for fewer pairs than it needs; also a ValueError
└── MeasurementError    the host could not measure; never held against a candidate
"""


class EvidenceError(Exception):
    """Base of everything this room raises."""


class TooFewPairsError(EvidenceError, ValueError):
    """A statistic was asked of fewer pairs than it needs."""


class MeasurementError(EvidenceError):
    """The host could not measure: harness error, lost sandbox, no quiet window."""
