"""The backends, and the choice among them: the strongest that runs here, or the one that was named, never a weaker one in silence.

Does not: fall back to a plain process. That is used only when somebody names it.
To add one: an entry in `BACKENDS`, or an entry point in another distribution (`plugins.Group.BACKENDS`).
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.errors import BackendUnavailableError, PluginError, UnknownBackendError
from rsi.sandboxes.plugins import Group, Plugin, find_plugin, find_plugins
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import Availability, Backend

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendKind:
    """One way to make sandboxes, by name."""

    name: str
    meaning: str
    """A few words for lists and forms."""
    make: Callable[[], Backend]
    is_automatic: bool = False
    """Whether `auto` may choose it."""
    plugin: Plugin | None = None
    """None for rsi's own."""


def _docker(runtime: str | None = None) -> Backend:
    from rsi.sandboxes.docker.backend import DockerBackend  # the engine's SDK takes 0.2 s to import

    return DockerBackend(runtime=runtime)


BACKENDS: tuple[BackendKind, ...] = (
    BackendKind(
        name="docker+runsc",
        meaning="gVisor under a Docker engine: stronger and slower",
        make=lambda: _docker("runsc"),
    ),
    BackendKind(
        name="docker", meaning="containers of a Docker engine", make=_docker, is_automatic=True
    ),
    BackendKind(
        name="bubblewrap",
        meaning="namespaces and a system call filter, without an engine",
        make=BubblewrapBackend,
        is_automatic=True,
    ),
    BackendKind(name="process", meaning="without walls, for code of your own", make=ProcessBackend),
)
"""The backends of rsi's own, strongest first."""
AUTOMATIC = tuple(each.name for each in BACKENDS if each.is_automatic)
"""What `auto` may choose, in this order."""
QUICKEST_FIRST = AUTOMATIC[::-1]
"""The same by how fast a sandbox starts and an environment is built: for demos and tests, whose code is our own."""


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


def backend_kinds() -> tuple[BackendKind, ...]:
    """Every backend that can be named: rsi's own, strongest first, then those of plug-ins, none of them imported."""
    own = {each.name for each in BACKENDS}
    added = {each.name: each for each in find_plugins(Group.BACKENDS) if each.name not in own}
    return (*BACKENDS, *map(_added, added.values()))


def backend_names() -> tuple[str, ...]:
    """Every word that names a backend, `auto` first."""
    return (AUTO, *(each.name for each in backend_kinds()))


def available_backends() -> tuple[Candidate, ...]:
    """Every backend, tried, strongest first; a plug-in that cannot be used is left out."""
    found = []
    for kind in backend_kinds():
        try:
            found.append(_tried(kind))
        except PluginError:
            continue
    return tuple(found)


def choose_backend(name: str = AUTO) -> Choice:
    """The named backend, or for "auto" the strongest that runs here.

    Raises:
        BackendUnavailableError: It cannot run here; the message says how to get it.
        UnknownBackendError: There is no backend of that name.
        PluginError: It is a plug-in that cannot be used.
    """
    tried: list[Candidate] = []
    for each in AUTOMATIC if name == AUTO else (name,):
        tried.append(_tried(_kind(each)))
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
    """Like `choose_backend`, without the reason; raises the same."""
    return choose_backend(name).backend


def _kind(name: str) -> BackendKind:
    own = next((each for each in BACKENDS if each.name == name), None)
    if own is not None:
        return own
    plugin = find_plugin(Group.BACKENDS, name)
    if plugin is None:
        raise UnknownBackendError(f"unknown backend {name!r}; known: {', '.join(backend_names())}")
    return _added(plugin)


def _added(plugin: Plugin) -> BackendKind:
    return BackendKind(
        name=plugin.name,
        meaning=f"of {plugin.distribution} {plugin.version}",
        make=lambda: cast(Backend, plugin.load()()),
        plugin=plugin,
    )


def _tried(kind: BackendKind) -> Candidate:
    plugin = kind.plugin
    with contextlib.nullcontext() if plugin is None else plugin.blamed("gives no backend"):
        backend = kind.make()
        availability = backend.availability()
        _ = backend.assurance, availability.is_available, availability.reason
    return Candidate(name=kind.name, backend=backend, availability=availability)
