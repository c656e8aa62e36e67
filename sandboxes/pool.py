"""Sandboxes started ahead of need: a backend whose next sandboxes are already on their way.

Does not: clean a used sandbox for another use, or start anything by itself. What ran untrusted code is gone with it, and
whoever times something decides when sandboxes start.
Invariant: leaving the pool's context closes every sandbox that was started, taken or not.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rsi.sandboxes.types import Assurance, Availability, Backend, Environment, Sandbox, SandboxSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    """A sandbox on its way, or there."""

    spec: SandboxSpec
    opening: Future[Sandbox]
    closing: contextlib.ExitStack


class SandboxPool:
    """Implements `Backend` over another one.

    Args:
        backend: Who opens the sandboxes.
        specs: What is started at once when the context is entered; each sandbox is used once.
    """

    def __init__(self, backend: Backend, specs: Sequence[SandboxSpec]) -> None:
        self._backend = backend
        self._specs = specs
        self._lock = threading.Lock()
        self._waiting: list[_Started] = []
        # A sandbox may end with the thread that started it, so these threads live as long as the pool.
        self._starters = ThreadPoolExecutor(max(1, len(specs)), thread_name_prefix="sandbox-pool")

    def __enter__(self) -> Self:
        for spec in self._specs:
            closing = contextlib.ExitStack()
            opening = self._starters.submit(closing.enter_context, self._backend.open(spec))
            self._waiting.append(_Started(spec=spec, opening=opening, closing=closing))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock, contextlib.ExitStack() as ending:
            ending.callback(self._starters.shutdown)
            for started in self._waiting:
                started.opening.exception()  # nobody asked for it, so nobody is told
                ending.push(started.closing)
            self._waiting.clear()

    @property
    def name(self) -> str:
        """Name of the backend that opens the sandboxes."""
        return self._backend.name

    @property
    def assurance(self) -> Assurance:
        """Strength of its wall."""
        return self._backend.assurance

    def availability(self) -> Availability:
        """Whether it can run here."""
        return self._backend.availability()

    def prepare(
        self, environment: Environment, progress: Callable[[str], None] | None = None
    ) -> str:
        """Build or find the environment; see `Backend.prepare`."""
        return self._backend.prepare(environment, progress)

    def settle(self) -> None:
        """Wait until nothing is being started any more, so that what is timed from now on is not disturbed."""
        with self._lock:
            waiting = tuple(self._waiting)
        for started in waiting:
            started.opening.exception()

    @contextlib.contextmanager
    def open(self, spec: SandboxSpec) -> Iterator[Sandbox]:
        """A fresh sandbox: one that was started for this spec, or a new one when none is left; see `Backend.open`."""
        started = self._take(spec)
        if started is None:
            with self._backend.open(spec) as sandbox:
                yield sandbox
            return
        with started.closing:
            yield started.opening.result()

    def _take(self, spec: SandboxSpec) -> _Started | None:
        with self._lock:
            for started in self._waiting:
                if started.spec == spec:
                    self._waiting.remove(started)
                    return started
        return None
