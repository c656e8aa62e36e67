"""A pool of sandboxes started ahead of need; each is used once and thrown away.

Does not: clean a used sandbox for another use. What ran untrusted code is gone with it.
Invariant: leaving the pool's context closes every sandbox that it started, taken or not.
"""

import contextlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rsi.sandboxes.errors import SandboxBrokenError, SandboxError
from rsi.sandboxes.types import Backend, Sandbox, SandboxSpec

POLL_S = 0.2
TAKE_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    sandbox: Sandbox
    opened: contextlib.ExitStack


class SandboxPool:
    """Keeps `size` idle sandboxes of one spec ready.

    Args:
        backend: Who opens them.
        spec: What they are like; all the same.
        size: How many wait, at most. Each costs the memory of a bare Python.
    """

    def __init__(self, backend: Backend, spec: SandboxSpec, *, size: int = 2) -> None:
        self._backend = backend
        self._spec = spec
        self._ready: queue.Queue[_Ready | SandboxError] = queue.Queue(maxsize=size)
        self._is_closing = threading.Event()
        self._filler = threading.Thread(target=self._fill, name="sandbox-pool", daemon=True)

    def __enter__(self) -> Self:
        self._filler.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closing.set()
        self._filler.join()
        while not self._ready.empty():
            waiting = self._ready.get_nowait()
            if isinstance(waiting, _Ready):
                waiting.opened.close()

    @contextlib.contextmanager
    def take(self) -> Iterator[Sandbox]:
        """A fresh sandbox, usually already started; it is gone after the context.

        Raises:
            SandboxError: The backend could not open one.
        """
        try:
            ready = self._ready.get(timeout=TAKE_TIMEOUT_S)
        except queue.Empty:
            raise SandboxBrokenError(
                f"the pool had no sandbox ready for {TAKE_TIMEOUT_S:.0f} s; look at `rsi doctor`"
            ) from None
        if isinstance(ready, SandboxError):
            raise ready
        with ready.opened:
            yield ready.sandbox

    def _fill(self) -> None:
        while not self._is_closing.is_set():
            opened = contextlib.ExitStack()
            made: _Ready | SandboxError
            try:
                made = _Ready(
                    sandbox=opened.enter_context(self._backend.open(self._spec)), opened=opened
                )
            except SandboxError as error:
                made = error
            if not self._offer(made):
                opened.close()

    def _offer(self, made: _Ready | SandboxError) -> bool:
        while not self._is_closing.is_set():
            try:
                self._ready.put(made, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False
