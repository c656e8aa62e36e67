"""Chooses a backend: the strongest that runs here, or the one that was named, never a weaker one in silence.

Does not: fall back to a plain process. That is used only when somebody names it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
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
    from rsi.sandboxes.docker.backend import DockerBackend  # the engine's SDK takes 0.2 s to import

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
    wanted = AUTOMATIC if name == AUTO else (name,)
    tried: list[Candidate] = []
    for each in wanted:
        if each not in BACKENDS:
            raise ValueError(f"unknown backend {each!r}; known: {AUTO}, {', '.join(BACKENDS)}")
        backend = BACKENDS[each]()
        tried.append(Candidate(name=each, backend=backend, availability=backend.availability()))
        if tried[-1].availability.is_available:
            break
    chosen, reason = pick(tuple(tried), name)
    return Choice(backend=chosen.backend, reason=reason)


def pick(candidates: Sequence[Candidate], name: str = AUTO) -> tuple[Candidate, str]:
    """The candidate to use, and why: the named one, or for "auto" the first of `AUTOMATIC` that runs.

    Raises:
        BackendUnavailableError: None of them runs here; the message says how to get one.
    """
    by_name = {each.name: each for each in candidates}
    refusals: list[str] = []
    for wanted in AUTOMATIC if name == AUTO else (name,):
        candidate = by_name.get(wanted)
        if candidate is None:
            continue
        if candidate.availability.is_available:
            passed_over = "".join(f"; not {refusal}" for refusal in refusals)
            return candidate, f"{wanted}: {candidate.availability.reason}{passed_over}"
        refusals.append(f"{wanted} ({candidate.availability.reason})")
    raise BackendUnavailableError(
        f"no sandbox can run here: {'; '.join(refusals) or f'no backend named {name!r}'}. Get one of them,"
        " or accept no isolation, for code of your own, by naming the backend 'process'"
    )


def select_backend(name: str = AUTO) -> Backend:
    """Like `choose_backend`, without the reason.

    Raises:
        BackendUnavailableError: It cannot run here.
        ValueError: There is no backend of that name.
    """
    return choose_backend(name).backend
