"""The candidate's end of a served task: connect to the harness, call it, read what it answers.

It lies with `frames.py` in the folder `harness_link/` beside every candidate of such a task, on its PYTHONPATH:

    from harness_link import connect
    with connect() as harness:
        reply = harness.call("compile_next")           # reply.head is a dict, reply.arrays a sequence

A worker of a clocked task that is written in Python hands its function to `work`; one in C includes `rsi_worker.h`.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

import json
import mmap
import os
import socket
import struct
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from .frames import Array, Frame, FrameError, receive, send

SOCKET_VARIABLE = "RSI_SOCKET"
LAST_RUN = "last_run"
"""The call by which a development harness says what its last run came to; no harness of a measured run knows it."""


class Refused(RuntimeError):
    """The harness did not do what was asked: over the budget, or not a call that it knows."""


class Link:
    """An open connection; closing it says that the candidate is done."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; the harness grades what it has."""
        self._socket.close()

    def call(self, name: str, arrays: Sequence[Array] = (), /, **arguments: object) -> Frame:
        """Ask for one thing and wait for the answer.

        Raises:
            Refused: The harness said no; the message says why.
            FrameError: The harness is gone.
            ValueError: An argument cannot be spelled in JSON.
        """
        send(self._socket, Frame(head={"call": name, **arguments}, arrays=arrays))
        reply = receive(self._socket)
        if reply is None:
            raise FrameError("the harness closed the connection")
        if "refused" in reply.head:
            raise Refused(str(reply.head["refused"]))
        return reply


def connect() -> Link:
    """A connection to the harness of this run.

    Raises:
        KeyError: RSI_SOCKET is not set: this is no run of a served task.
        OSError: Nobody listens there any more: a measured run gets one connection.
    """
    return Link(os.environ[SOCKET_VARIABLE])


def last_run() -> str:
    """What a development harness says of its last run, as JSON to read.

    Raises:
        Refused: There was none yet.
    """
    with connect() as harness:
        return json.dumps(dict(harness.call(LAST_RUN).head), indent=1)


CALL, DONE = struct.Struct("<16q"), struct.Struct("<q")
"""What a harness sends for a call, and what it waits for."""
Handler = Callable[[Sequence[int], mmap.mmap, mmap.mmap], int]
"""Given a call's words, the inputs and the place of the outputs; returns 0 when the call is done."""


def work(handler: Handler) -> None:
    """Do calls on memory shared with the harness of a clocked task, until it leaves.

    Raises:
        KeyError: RSI_SOCKET is not set: this is no run of a clocked task.
        OSError: The harness is gone.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect(os.environ[SOCKET_VARIABLE])
        said, files, _, _ = socket.recv_fds(link, 16, 2)
        in_bytes, out_bytes = struct.unpack("<qq", said)
        given = mmap.mmap(files[0], in_bytes, prot=mmap.PROT_READ)
        out = mmap.mmap(files[1], out_bytes)
        while len(message := link.recv(CALL.size, socket.MSG_WAITALL)) == CALL.size:
            link.sendall(DONE.pack(handler(CALL.unpack(message), given, out)))
