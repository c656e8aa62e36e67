"""An end to calls that take too long, even where their connection cannot be closed from outside."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TypeVar, cast

from rsi.agent.llm.errors import ModelWireError

Item = TypeVar("Item")


class Deadline:
    """Ends a call that takes too long in all, even when bytes keep dripping in."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._started = time.monotonic()
        self._timer: threading.Timer | None = None
        self.has_passed = False

    def watch(self, close: Callable[[], None]) -> None:
        """Close the stream when the time is up."""

        def end() -> None:
            self.has_passed = True
            close()

        self._timer = threading.Timer(self.left_s, end)
        self._timer.daemon = True
        self._timer.start()

    @property
    def left_s(self) -> float:
        """Seconds that are left, 0 when none."""
        return max(0.0, self._limit_s - (time.monotonic() - self._started))

    def __enter__(self) -> "Deadline":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def check(self) -> None:
        """Raise when the time is up.

        Raises:
            ModelWireError: It is.
        """
        if self.has_passed or time.monotonic() - self._started > self._limit_s:
            raise ModelWireError(f"the call had not ended after {self._limit_s:g} s")


def pumped(source: Callable[[], Iterable[Item]], deadline: Deadline) -> Iterator[Item]:
    """The items of a blocking source, read in a thread, until the deadline passes.

    For clients whose connection cannot be closed from outside. A source that never ends leaves its
    thread behind until the server hangs up; the caller is free at once.

    Raises:
        ModelWireError: The deadline passed.
        Exception: Whatever the source raised.
    """
    queue: SimpleQueue[tuple[str, Item | BaseException | None]] = SimpleQueue()

    def read() -> None:
        try:
            for item in source():
                queue.put(("item", item))
        except BaseException as error:  # noqa: BLE001 (handed over to the caller, which raises it)
            queue.put(("error", error))
        else:
            queue.put(("end", None))

    threading.Thread(target=read, daemon=True, name="model-stream").start()
    while True:
        try:
            kind, value = queue.get(timeout=deadline.left_s)
        except Empty:
            deadline.check()
            continue
        if kind == "end":
            return
        if kind == "error":
            raise cast(BaseException, value)
        yield cast(Item, value)
