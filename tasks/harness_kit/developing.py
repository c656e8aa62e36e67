"""The harness's end of a served task while an agent develops: one connection after the other, each a run on the same instance.

Does not: grade a run before somebody asks what it came to, so that nothing computes between an agent's commands. Invariants: what
is sent can end its own run and no other; every call is counted, and the count is on disk before the answer is sent.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

import os
import select
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .artifacts import InvalidArtifact
from .frames import Frame, FrameError
from .link import LAST_RUN
from .results import Graded
from .serving import Refusal, Session, answer_next

MAX_CALLS = 100_000
"""Of one proposal, all its runs together."""
STALLED_S = 10.0
"""Who sends half a frame, or takes no answer, for so long has left."""


@dataclass(kw_only=True)
class Development:
    """The runs of one proposal: at most one is open, the last one is remembered."""

    begin: Callable[[], Session]
    """A fresh conversation about the instance."""
    reading: Callable[[Graded], Mapping[str, object]]
    """What the result file would say."""
    calls_file: Path
    """Holds the number of calls so far."""
    max_calls: int = MAX_CALLS
    runs: int = 0
    calls: int = 0
    _session: Session | None = None
    """Of the last run."""
    _graded: Graded | None = None
    """What the last run came to; None until somebody asks."""
    _is_fresh: bool = True
    """Whether the open connection has called nothing yet; asking about the last run must not end it."""

    def connect(self) -> None:
        """Somebody came, so the run before is over."""
        self._is_fresh = True

    def answer(self, call: str, frame: Frame) -> Frame:
        """Carry out one call of the open connection, as `Session.answer` does."""
        if call == LAST_RUN:
            return self._told()
        if self.calls == self.max_calls:
            raise Refusal(f"all {self.max_calls} calls of this development harness are used up")
        self.calls += 1
        self._write_count()
        if self._is_fresh or self._session is None:
            self._session, self._graded, self._is_fresh = self.begin(), None, False
            self.runs += 1
        return self._session.answer(call, frame)

    def end(self, reason: str) -> None:
        """What the open connection sent ends its run, as it would end a measured one."""
        if self._is_fresh:
            self.runs += 1
            self._session = None
        self._graded, self._is_fresh = Graded(outcome="invalid_output", reason=reason), False

    def _told(self) -> Frame:
        if self._graded is None and self._session is None:
            raise Refusal("there was no run yet")
        if self._graded is None:
            assert self._session is not None  # noqa: S101 - one of the two is there
            # Who asks in the middle of a run ends it: what comes then is the next one.
            self._graded, self._is_fresh = self._session.finish(), True
        return Frame(
            head={
                "run": self.runs,
                "calls_of_all_runs": self.calls,
                "calls_left": self.max_calls - self.calls,
                "result": dict(self.reading(self._graded)),
            }
        )

    def _write_count(self) -> None:
        file = os.open(self.calls_file, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            # The number only grows, so it is whole whenever this process ends.
            os.pwrite(file, b"%d" % self.calls, 0)
        finally:
            os.close(file)


def develop(listener: socket.socket, development: Development) -> None:
    """Answer whoever came last, until this process is ended; who was connected before has left then."""
    link: socket.socket | None = None
    while True:
        ready, _, _ = select.select([listener, *([] if link is None else [link])], [], [])
        if listener in ready:
            if link is not None:
                link.close()
            link, _ = listener.accept()
            link.settimeout(STALLED_S)
            development.connect()
        elif link is not None and not _is_answered(link, development):
            link.close()
            link = None


def _is_answered(link: socket.socket, development: Development) -> bool:
    try:
        return answer_next(link, development)
    except InvalidArtifact as problem:
        development.end(str(problem))
    except FrameError as problem:
        development.end(f"not a frame: {problem}")
    return False
