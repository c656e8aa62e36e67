"""The JSON events of a streamed HTTP answer, read from its bytes: server-sent events, lines of JSON, or one document.

One reader for all adapters, since servers break the form in ways that the SDKs read differently. Does not: know any
provider; a body that is none of the three is told by `NoStreamError`, with its first characters.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol, cast

QUOTED_CHARS = 200
DONE = "[DONE]"
_FIELD = re.compile(r"(data|event|id|retry)?:")
_HALF = re.compile(r"[\ud800-\udfff]")
_MOST_CHARS = 64 << 20
"""Longest document that is read as one answer; the longest replies have some megabytes."""

Event = Mapping[str, object]


class Stream(Protocol):
    """Events, with what is known of where they came from."""

    begins: str
    """First characters of the body, for messages."""
    is_events: bool
    """Whether the body has the form of events, rather than of a document."""
    is_done: bool
    """Whether the server marked the end."""

    def __iter__(self) -> Iterator[Event]: ...


class NoStreamError(ValueError):
    """The body holds no event at all."""


class BrokenEventError(ValueError):
    """An event's data are JSON that is cut or garbled, or more than a reply can be."""


@dataclass(slots=True)
class EventStream:
    """Reads one body; iterate it once."""

    pieces: Iterable[bytes]
    begins: str = ""
    is_events: bool = False
    is_done: bool = False
    _rest: str = field(default="")

    def __iter__(self) -> Iterator[Event]:
        """The events in order; what follows the end mark is not read.

        Raises:
            NoStreamError: The body is not events, lines or a document of JSON.
            BrokenEventError: An event's data are JSON that is cut or garbled.
        """
        lines = self._lines()
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            raise NoStreamError("an empty body")
        self.is_events = _FIELD.match(first) is not None
        if self.is_events:
            yield from self._events(first, lines)
        else:
            yield from self._documents(first, lines)

    def _lines(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        rest = ""
        for piece in self.pieces:
            text = decoder.decode(piece)
            self.begins += text[: QUOTED_CHARS - len(self.begins)]
            # A carriage return at the end may be half of a line's end.
            *lines, rest = re.split(r"\r\n|\n|\r(?!\Z)", rest + text)
            yield from lines
            if len(rest) > _MOST_CHARS:
                raise NoStreamError(f"a line of more than {_MOST_CHARS} characters")
        yield from re.split(r"\r\n|\n|\r", rest + decoder.decode(b"", final=True))

    def _events(self, first: str, lines: Iterator[str]) -> Iterator[Event]:
        name, data = "", list[str]()
        for line in chain((first,), _lines_and_end(lines)):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line and key == "event":
                name = value
            elif line and key == "data":
                data.append(value)
            elif not line:
                yield from self._event(name, data)
                name, data = "", []
            if self.is_done:
                return

    def _event(self, name: str, data: list[str]) -> Iterator[Event]:
        text = "\n".join(data)
        if not text.strip():
            return
        if text.lstrip().startswith(DONE):
            self.is_done = True
            return
        value = _parsed(text)
        if value is None and len(data) > 1:
            # Servers that put no blank line between events.
            for line in data:
                yield from self._event(name, [line])
            return
        if name == "error":
            yield _error(text, value)
        elif isinstance(value, dict):
            yield {"type": name, **value} if name else value
        elif value is None and text.lstrip().startswith(("{", "[")):
            raise BrokenEventError(f"a piece of the reply is not JSON: {text[:QUOTED_CHARS]!r}")
        # What is left is no part of a reply: words, numbers and null keep connections alive.

    def _documents(self, first: str, lines: Iterator[str]) -> Iterator[Event]:
        value = _parsed(first)
        if isinstance(value, dict):
            yield value
            for line in filter(str.strip, lines):
                if isinstance(value := _parsed(line), dict):
                    yield value
            return
        text, size = [first], 0
        if not first.lstrip().startswith(("{", "[")):
            raise NoStreamError("neither events nor JSON")
        for line in lines:
            text.append(line)
            size += len(line)
            if size > _MOST_CHARS:
                raise NoStreamError(f"a document of more than {_MOST_CHARS} characters")
        value = _parsed("\n".join(text))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0]
        if not isinstance(value, dict):
            raise NoStreamError("neither events nor a JSON object")
        yield value


def _lines_and_end(lines: Iterator[str]) -> Iterator[str]:
    """The lines, and a blank one, so that an event is not lost to a missing last one."""
    yield from lines
    yield ""


def _error(text: str, value: object) -> Event:
    """An event of the kind "error", in the form of an error body."""
    if isinstance(value, dict) and value.get("error"):
        return value
    return {"error": value if isinstance(value, dict) else {"message": text}}


def _parsed(text: str) -> object:
    """The JSON value of a text; None where it is none."""
    try:
        # Not strict: some servers leave tabs and line breaks in strings as they are.
        return cast(object, json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return None


def joined(pieces: Iterable[str]) -> str:
    """Pieces of a text as one, with characters whole again that were cut in halves of sixteen bits."""
    text = "".join(pieces)
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def readable(text: str) -> str:
    """A text without halves of characters, which nothing that keeps text takes."""
    return _HALF.sub("\ufffd", text)
