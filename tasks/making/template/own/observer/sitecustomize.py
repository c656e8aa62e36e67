"""Note what a Python process looks for, writes and asks for, in the one run that is only watched. Never in a timed run.

Each process appends to a file of its own in $RSI_OBSERVED. Does not: change what the process does, or keep it from anything.
"""
# ruff: noqa: PTH100, PTH120 (pathlib is not loaded into a process that is only watched)

import atexit
import json
import os
import sys
from typing import Any

_FOLDER = os.environ.get("RSI_OBSERVED")
_MOST = 2000
_seen: set[tuple[str, str]] = set()
_counts: dict[str, int] = {}
_OWN = f"{os.path.dirname(os.path.dirname(str(_FOLDER)))}/"
"""The sandbox's working folder, wherever it is. What a library opens of its own is not noted: there are thousands of it."""


def _note(kind: str, what: object) -> None:
    text = os.fspath(what) if isinstance(what, str | os.PathLike) else str(what)
    key = (kind, f"/work/{text.removeprefix(_OWN)}" if text.startswith(_OWN) else text)
    if key in _seen or _counts.get(kind, 0) >= _MOST:
        return
    _seen.add(key)
    _counts[kind] = _counts.get(kind, 0) + 1
    with open(f"{_FOLDER}/{os.getpid()}.jsonl", "a", encoding="utf-8", opener=_opener) as stream:
        stream.write(json.dumps(key) + "\n")


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, mode, flags = arguments
        if not isinstance(path, str | os.PathLike) or str(path).startswith(str(_FOLDER)):
            return
        is_writing = bool(flags & (os.O_WRONLY | os.O_RDWR)) if isinstance(flags, int) else False
        place = os.path.abspath(os.fspath(path))
        if is_writing or (isinstance(mode, str) and set(mode) & set("wax+")):
            _note("writes", place)
        else:
            _note_read(place)
    elif event == "socket.getaddrinfo":
        _note("asks", arguments[0])
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        _note("asks", arguments[1][0])
    elif event in {"os.listdir", "os.scandir"} and isinstance(arguments[0], str):
        _note_read(os.path.abspath(arguments[0]))


def _note_read(place: str) -> None:
    if not os.access(place, os.F_OK):
        _note("misses", place)
    elif place.startswith(_OWN):
        _note("opens", place)


def _watch_questions() -> None:
    """Let `os.path.exists` and its like be noticed too: what is not there is often asked for before it is opened."""
    true_stat = os.stat

    def stat(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:  # noqa: ANN401 - as the original
        try:
            return true_stat(path, *args, **kwargs)
        except FileNotFoundError:
            if isinstance(path, str | os.PathLike):
                _note("misses", os.path.abspath(os.fspath(path)))
            raise

    os.stat = stat


def _last() -> None:
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is not None and cuda.is_initialized():
        _note("device", "cuda")
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.startswith(_OWN):
            _note("loads", path)


if _FOLDER:
    atexit.register(_last)
    _watch_questions()
    sys.addaudithook(_heard)
