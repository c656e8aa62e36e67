"""Chooses a backend: the strongest that runs here, or the one that was named, never a weaker one in silence.

Does not: fall back to a plain process. That is used only when somebody names it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rsi.sandboxes.bubblewrap import BubblewrapBackend
from rsi.sandboxes.errors import BackendUnavailableError
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import Availability, Backend

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A backend and why it was taken."""

    backend: Backend
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One backend as it stands on this machine."""

    name: str
    backend: Backend
    availability: Availability


def _docker(runtime: str | None = None) -> Backend:
    from rsi.sandboxes.docker import DockerBackend  # the engine's SDK takes 0.2 s to import

    return DockerBackend(runtime=runtime)


BACKENDS: dict[str, Callable[[], Backend]] = {
    "docker+runsc": lambda: _docker("runsc"),
    "docker": _docker,
    "bubblewrap": BubblewrapBackend,
    "process": ProcessBackend,
}
"""Every backend by name, strongest first."""
AUTOMATIC = ("docker", "bubblewrap")
"""What `auto` may choose, in this order."""


def available_backends() -> tuple[Candidate, ...]:
    """Every backend, tried, strongest first."""
    made = [(name, make()) for name, make in BACKENDS.items()]
    return tuple(
        Candidate(name=name, backend=backend, availability=backend.availability())
        for name, backend in made
    )


def choose_backend(name: str = AUTO) -> Choice:
    """The named backend, or for "auto" the strongest that runs here.

    Raises:
        BackendUnavailableError: It cannot run here; the message says how to get it.
        ValueError: There is no backend of that name.
    """
    if name != AUTO and name not in BACKENDS:
        raise ValueError(f"unknown backend {name!r}; known: {AUTO}, {', '.join(BACKENDS)}")
    refusals: list[str] = []
    for each in AUTOMATIC if name == AUTO else (name,):
        backend = BACKENDS[each]()
        availability = backend.availability()
        if availability.is_available:
            passed_over = "".join(f"; not {refusal}" for refusal in refusals)
            return Choice(backend=backend, reason=f"{each}: {availability.reason}{passed_over}")
        refusals.append(f"{each} ({availability.reason})")
    raise BackendUnavailableError(
        f"no sandbox can run here: {'; '.join(refusals)}. Get one of them, or accept no isolation for code"
        " of your own by naming the backend 'process'"
    )


def select_backend(name: str = AUTO) -> Backend:
    """Like `choose_backend`, without the reason."""
    return choose_backend(name).backend
