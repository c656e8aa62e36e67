"""What the operator of a machine lets one sandbox use at most; a task's own limits can only be tighter.

Invariant: a limit above its ceiling is refused, never lowered in silence: a run under other limits than its task
declares would be another measurement.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rsi.sandboxes.errors import LimitTooHighError, OperatorSettingError
from rsi.sandboxes.types import Limits

VARIABLE = "RSI_MAX_LIMITS"
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One limit that can have a ceiling."""

    asked: Callable[[Limits], float]
    """How much of it a sandbox asks for, in the operator's unit."""
    lower: Callable[[Limits, float], Limits]
    """The limits with no more of it than this."""


def _plain(field: str, unit: int) -> _Kind:
    """A number in `Limits`; `unit` is how many of its units one of the operator's is."""

    def lower(limits: Limits, most: float) -> Limits:
        now = getattr(limits, field)
        return replace(limits, **{field: min(now, type(now)(most * unit))})

    return _Kind(asked=lambda limits: getattr(limits, field) / unit, lower=lower)


def _fewer_cores(limits: Limits, most: float) -> Limits:
    cores = limits.cpus or tuple(sorted(os.sched_getaffinity(0)))
    return replace(limits, cpus=cores[: max(1, int(most))])


KINDS = {
    "wall_s": _plain("wall_s", 1),
    "memory_mb": _plain("memory_bytes", MEBIBYTE),
    "disk_mb": _plain("disk_bytes", MEBIBYTE),
    "shm_mb": _plain("shm_bytes", MEBIBYTE),
    "pids": _plain("pids", 1),
    "cpus": _Kind(asked=lambda limits: len(limits.cpus or ()), lower=_fewer_cores),
}
"""By the name that `task.toml` and the operator use."""


def ceilings(environ: Mapping[str, str] = os.environ) -> dict[str, float]:
    """The most of each kind, in the operator's units: what RSI_MAX_LIMITS says, else all memory the machine has.

    Raises:
        OperatorSettingError: The variable cannot be read.
    """
    found: dict[str, float] = {
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MEBIBYTE
    }
    for word in environ.get(VARIABLE, "").replace(",", " ").split():
        name, _, number = word.partition("=")
        most = _number(number)
        if name not in KINDS or most is None or most <= 0:
            raise OperatorSettingError(
                f"{VARIABLE} holds {word!r}; expected NAME=NUMBER above 0, separated by spaces, "
                f"of {', '.join(KINDS)}, such as 'memory_mb=8192 wall_s=3600'"
            )
        found[name] = most
    return found


def require_allowed(limits: Limits, environ: Mapping[str, str] = os.environ) -> None:
    """Refuse what asks for more than the operator allows.

    Raises:
        LimitTooHighError: A limit is above its ceiling.
        OperatorSettingError: The ceilings cannot be read.
    """
    for name, most in ceilings(environ).items():
        asked = KINDS[name].asked(limits)
        if asked > most:
            raise LimitTooHighError(
                f"{name} = {asked:g} is asked for, and this machine allows {most:g}; "
                f"take a smaller profile, or raise {name} in {VARIABLE} if the machine has it"
            )


def lowered(limits: Limits, environ: Mapping[str, str] = os.environ) -> Limits:
    """Limits of our own choice, such as an agent's, cut to what the operator allows.

    Raises:
        OperatorSettingError: The ceilings cannot be read.
    """
    for name, most in ceilings(environ).items():
        limits = KINDS[name].lower(limits, most)
    return limits


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
