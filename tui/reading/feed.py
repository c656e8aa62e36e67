"""One daemon thread that looks at the ledger four times a second and hands over views.

The thread never touches a widget: it leaves the newest view where the app picks it up and posts one small message.
Reading pages of trajectories and logs goes through the same thread, so that a slow database never blocks a key press.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from rsi.agent.errors import LedgerError
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import utc_now
from rsi.tui.model.code import Code
from rsi.tui.model.view import View
from rsi.tui.reading.reader import Interest, Reader

T = TypeVar("T")

TICK_S = 0.25
"""Time between looks; a look at an unchanged ledger costs one small query."""
QUIET_TICK_S = 1.0
QUIET_AFTER_S = 20.0
"""A ledger that was quiet for so long is looked at less often, until something changes or the person does something."""
RETRY_S = 2.0
"""Time between looks while the ledger cannot be read."""

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Feed:
    """Looks at a ledger until stopped."""

    def __init__(self, ledger: Ledger, code: Code, on_view: Callable[[View], None]) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            ledger: Open ledger; only this thread reads it.
            code: Where diffs and trees come from.
            on_view: Called on the feed's thread with each new view; must not block.
        """
        self._ledger = ledger
        self._code = code
        self._reader = Reader(ledger, code)
        self._on_view = on_view
        self._interest = Interest()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._changed_s = time.monotonic()
        self._view = View(at=utc_now(), source=ledger.label)
        self._thread = threading.Thread(target=self._run, name="rsi-feed", daemon=True)

    def start(self) -> None:
        """Begin looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking and wait a moment for the look under way."""
        self._stopping.set()
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def set_interest(self, interest: Interest) -> None:
        """Say what the visible screen needs; the next look comes at once."""
        if interest != self._interest:
            self._interest = interest
            self._changed_s = time.monotonic()
            self._jobs.put(None)

    def call(self, work: Callable[[Ledger], T]) -> "Future[T]":
        """Run a read on the feed's thread.

        Returns:
            A future that holds its result, or what it raised.
        """
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work(self._ledger))
            except Exception as error:  # noqa: BLE001  who asked gets it; the thread serves everyone
                future.set_exception(error)

        self._jobs.put(job)
        return future

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = self._look()
            self._work(wait_s)

    def _work(self, wait_s: float) -> None:
        """Do what was asked for until the next look is due."""
        try:
            job = self._jobs.get(timeout=wait_s)
            while job is not None:
                job()
                job = self._jobs.get_nowait()
        except queue.Empty:
            return

    def _look(self) -> float:
        try:
            view = self._reader.read(self._interest)
        except LedgerError as error:
            return self._cannot_look(str(error))
        except Exception as error:
            # A view that stands still must say why.
            log.debug("a fault of the cockpit", exc_info=True)
            return self._cannot_look(f"{type(error).__name__}: {error}")
        if view is not None:
            self._changed_s = time.monotonic()
            self._publish(view)
        elif self._view.problem:
            self._publish(replace(self._view, at=utc_now(), problem=""))
        is_quiet = time.monotonic() - self._changed_s > QUIET_AFTER_S
        return QUIET_TICK_S if is_quiet else TICK_S

    def _cannot_look(self, problem: str) -> float:
        log.warning("step=look outcome=error reason=%s", problem)
        self._reader = Reader(self._ledger, self._code)
        self._publish(replace(self._view, at=utc_now(), problem=problem))
        return RETRY_S

    def _publish(self, view: View) -> None:
        self._view = view
        if not self._stopping.is_set():
            self._on_view(view)
