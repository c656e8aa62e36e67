"""The harness's end of a served task: one connection, calls answered in turn, a result when the candidate has left.

Does not: start or time the candidate; the host does. Invariants: what the candidate sends can end its own run as
`invalid_output` and nothing else; a failure of the harness's own code is never written down as the candidate's.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .artifacts import InvalidArtifact
from .frames import Frame, FrameError, receive, send
from .results import Graded

READY = "ready"
"""The line on standard output that says that the socket is there."""
ENDED_FILE = "ended"
"""The host makes this file beside the socket when the candidate's process is over, in case it never connected."""
ABANDONED_FILE = "abandoned"
"""And this one when nobody wants a result any more."""
SOCKET_NAME = "harness.sock"
NEVER_CAME = Graded(
    outcome="invalid_output", reason="the candidate ended without a word to the harness"
)
LOOK_S = 0.05
"""How often that file is looked for while nobody is connected."""


class Refusal(Exception):
    """Raised by a session for a call that it does not carry out; the candidate is told and may go on."""


class Answering(Protocol):
    """What answers calls."""

    def answer(self, call: str, frame: Frame) -> Frame:
        """Carry out one call.

        Raises:
            Refusal: Not done, and the candidate is told why.
            InvalidArtifact: The run ends here as `invalid_output`.
        """
        ...


class Session(Answering, Protocol):
    """What one connection can do."""

    def finish(self) -> Graded:
        """The candidate has left: what did it come to?"""
        ...


@dataclass(kw_only=True)
class Meter:
    """Counts the scarce thing of a session and refuses what would go over its limit."""

    unit: str
    limit: float
    used: float = 0.0

    def spend(self, amount: float) -> None:
        """Take so much.

        Raises:
            Refusal: It would be more than is left; nothing is taken.
        """
        if self.used + amount > self.limit:
            left = self.limit - self.used
            raise Refusal(f"over the budget: {amount:g} {self.unit} asked for, {left:g} are left")
        self.used += amount


def serve(link: socket.socket, session: Session) -> Graded:
    """Answer a connected candidate until it leaves, and say what it came to."""
    try:
        _converse(link, session)
    except InvalidArtifact as problem:
        return Graded(outcome="invalid_output", reason=str(problem))
    except FrameError as problem:
        return Graded(outcome="invalid_output", reason=f"not a frame: {problem}")
    return session.finish()


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[socket.socket]:
    """A socket that everybody who sees its folder may connect to; this process ends when the host makes ABANDONED_FILE there."""
    path = folder / SOCKET_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        threading.Thread(target=_leave_when_abandoned, args=(folder,), daemon=True).start()
        listener.listen(1)
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        yield listener


@contextlib.contextmanager
def connected(folder: Path) -> Iterator[socket.socket | None]:
    """The one connection of a run.

    None when the host says that nobody will come: it leaves ENDED_FILE in the folder.
    """
    with listening(folder) as listener:
        listener.settimeout(LOOK_S)
        link = _accept(listener, folder)
    if link is None:
        yield None
        return
    with link:
        yield link


def _leave_when_abandoned(folder: Path) -> None:
    """End this process, whatever a session computes."""
    while not (folder / ABANDONED_FILE).exists():
        time.sleep(LOOK_S)
    os._exit(0)


def _accept(listener: socket.socket, folder: Path) -> socket.socket | None:
    while True:
        try:
            link, _ = listener.accept()
        except TimeoutError:
            if (folder / ENDED_FILE).exists():
                return None
            continue
        link.settimeout(None)
        return link


def _converse(link: socket.socket, session: Session) -> None:
    """Answer until the other end leaves."""
    while answer_next(link, session):
        pass


def answer_next(link: socket.socket, session: Answering) -> bool:
    """Answer one call; False when the other end has left, be it in the middle of a call or of its answer.

    Raises:
        FrameError: What came is no call.
        InvalidArtifact: The run ends here.
    """
    frame = _next(link)
    if frame is None:
        return False
    name = frame.head.get("call")
    if not isinstance(name, str):
        raise FrameError('the head has no text under "call"')
    try:
        reply = session.answer(name, frame)
    except Refusal as refusal:
        reply = Frame(head={"refused": str(refusal)})
    try:
        send(link, reply)
    except OSError:
        return False
    return True


def _next(link: socket.socket) -> Frame | None:
    """The next call; None when the other end left, in good order or not."""
    try:
        return receive(link)
    except OSError:
        return None


def dispatch(table: Mapping[str, Callable[[Frame], Frame]], call: str, frame: Frame) -> Frame:
    """Carry out a call by its name.

    Raises:
        Refusal: There is no such call.
    """
    if call not in table:
        raise Refusal(f"no call {call[:40]!r}; there are {', '.join(sorted(table))}")
    return table[call](frame)
