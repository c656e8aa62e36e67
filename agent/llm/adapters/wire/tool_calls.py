"""Tool calls put together from the pieces of a streamed reply, whatever order, ids and indices a server gives them.

Invariant: identity comes from id, index and order together. A piece is added to exactly one call or begins one; what
comes twice is taken once when it is the same and becomes two calls when it differs, so nothing is lost or melted.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rsi.agent.llm.adapters.transport.event_stream import joined, readable
from rsi.agent.llm.arguments import unusable_problem
from rsi.agent.llm.types import Request, ToolCall

_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_CHARS = 64
"""Longest name of a tool that every provider takes."""
BESIDE_CALLS = "beside_calls"
"""Under which a `Reasoning`'s payload keeps what a server said beside its calls, by the call's id."""


@dataclass(slots=True, kw_only=True)
class _Open:
    id: str
    index: int | None
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    beside: dict[str, object] = field(default_factory=dict)
    is_named_again: bool = False
    """Its name came once more after its arguments were whole: arguments that follow may be another call's."""

    @property
    def is_whole(self) -> bool:
        return len(_values("".join(self.pieces)) or ()) > 0


class CallPieces:
    """The calls of one reply so far."""

    def __init__(self, request: Request) -> None:
        self._tools = frozenset(tool.name for tool in request.tools)
        self._taken = {
            block.id
            for message in request.messages
            for block in message.blocks
            if isinstance(block, ToolCall)
        }
        self._open: list[_Open] = []
        self.beside: dict[str, dict[str, object]] = {}
        """What the server said beside its calls, by their ids; known once they are finished."""

    def __len__(self) -> int:
        return len(self._open)

    def add_whole(self, *, call_id: object, name: object, pieces: Sequence[object]) -> None:
        """Take in a call that a server marks off from all others, with its arguments in pieces."""
        texts = [each if isinstance(each, str) else _dumped(each) for each in pieces]
        call = _Open(
            id=_text(call_id),
            index=None,
            name=_text(name).strip(),
            pieces=list(filter(None, texts)),
        )
        self._open.append(call)

    def add(
        self,
        *,
        call_id: object = None,
        index: object = None,
        name: object = None,
        arguments: object = None,
        beside: Mapping[str, object] | None = None,
    ) -> str:
        """Take in one piece; returns the text of its arguments.

        Args:
            call_id: None or empty where the piece has none.
            index: The server's number of the call; None where the piece has none.
            name: The tool, or a part of its name.
            arguments: JSON text or a part of it, or the object itself.
            beside: What else the server says of the call.
        """
        said, named, number = _text(call_id), _text(name).strip(), index_of(index)
        text = arguments if isinstance(arguments, str) else _dumped(arguments)
        call = self._owner(said, number, named, text)
        if call is None:
            call = _Open(id=said, index=number)
            self._open.append(call)
        self._extend(call, said, named, text)
        call.beside.update(beside or {})
        return text

    def _owner(self, call_id: str, index: int | None, name: str, text: str) -> _Open | None:
        """The call that a piece belongs to; None when it begins one."""
        known = [call for call in self._open if call_id and call.id == call_id]
        at_index = [call for call in self._open if index is None or call.index in (index, None)]
        last = known or at_index
        if not last:
            return None
        call = last[-1]
        if not name:
            # A call needs a name, so this is more of one, even under an id that changes with every piece.
            return None if self._is_next_of(call, text) else call
        if known:
            is_other_index = index is not None and call.index not in (index, None)
            return (
                None
                if call.is_whole and (is_other_index or self._is_other(call, name, text))
                else call
            )
        if call_id and call.id:
            is_more = bool(call.pieces) and not call.is_whole and not text.lstrip().startswith("{")
            return call if is_more and name == call.name else None
        return None if self._is_other(call, name, text) else call

    def _is_other(self, call: _Open, name: str, text: str) -> bool:
        """Whether a name, and arguments with it, are of another call than this one, which has none of its own."""
        if not call.name:
            return False
        if call.is_whole:
            repeats = name == call.name and (
                not text or _values(text) == _values("".join(call.pieces))
            )
            return not repeats
        if call.pieces:
            return text.lstrip().startswith("{") and not text.startswith("".join(call.pieces))
        return name != call.name in self._tools and not self._continues(call.name, name)

    def _is_next_of(self, call: _Open, text: str) -> bool:
        if not (call.is_named_again and text):
            return False
        return call.is_whole and _values(text) != _values("".join(call.pieces))

    def _extend(self, call: _Open, call_id: str, name: str, text: str) -> None:
        call.id = call.id or call_id
        if name and call.is_whole:
            call.is_named_again = True
        if name:
            call.name = self._joined_name(call.name, name)
        if text:
            call.pieces.append(text)

    def _joined_name(self, name: str, piece: str) -> str:
        if not name:
            return piece
        if self._continues(name, piece):
            return name + piece
        return piece if piece.startswith(name) else name

    def _continues(self, name: str, piece: str) -> bool:
        """Whether a name goes on with a piece, rather than being said again."""
        whole = name + piece
        if any(tool.startswith(whole) for tool in self._tools):
            return True
        return name not in self._tools and not piece.startswith(name)

    def finished(self) -> tuple[tuple[ToolCall, ...], ...]:
        """All calls in the order in which they began, each with an id of its own.

        One item for each that the server named: several calls, where it gave several different arguments under one name.
        """
        made = tuple(
            tuple(
                read_call(self._own_id("" if number else call.id), call.name, text)
                for number, text in enumerate(_arguments(call.pieces))
            )
            for call in self._open
        )
        firsts = zip(self._open, made, strict=True)
        self.beside = {calls[0].id: call.beside for call, calls in firsts if call.beside}
        return made

    def _own_id(self, call_id: str) -> str:
        """An id that no other call of the conversation has; providers match answers to calls by it."""
        number = len(self._taken)
        while not call_id or call_id in self._taken:
            call_id = f"call_{number}"
            number += 1
        self._taken.add(call_id)
        return call_id


def read_call(call_id: str, name: str, raw: str) -> ToolCall:
    """A tool call whose arguments came as JSON text, which a model may have got wrong."""

    def refused(problem: str) -> ToolCall:
        kept = readable(raw)
        return ToolCall(id=call_id, name=name, arguments={}, raw_arguments=kept, problem=problem)

    try:
        # Not strict: weak models, and servers that parse for them, leave line breaks in strings as they are.
        arguments = json.loads(raw, strict=False) if raw.strip() else {}
        if isinstance(arguments, str) and arguments.lstrip().startswith("{"):
            arguments = json.loads(arguments, strict=False)  # some servers encode what is encoded
    except json.JSONDecodeError as error:
        return refused(f"its arguments are not valid JSON ({error}); they may have been cut off.")
    except RecursionError:
        return refused("its arguments are nested too deeply.")
    except ValueError:
        # Python reads no whole number of thousands of digits.
        return refused("its arguments hold a whole number of far too many digits.")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        return refused("its arguments are not a JSON object.")
    if (problem := unusable_problem(arguments)) is not None:
        return refused(problem)
    return ToolCall(id=call_id, name=name, arguments=arguments)


def safe_name(name: str) -> str:
    """A tool's name in a form that providers take back; a model may have made up another."""
    return _UNSAFE.sub("_", name)[:_NAME_CHARS] or "unnamed"


def safe_id(call_id: str) -> str:
    """A call's id in letters that every provider takes; another provider's may have others."""
    if call_id and not _UNSAFE.search(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_UNSAFE.sub('_', call_id)[:20]}_{digest[:12]}"


def _arguments(pieces: list[str]) -> list[str]:
    """The arguments that pieces make: one text, or several when whole ones that differ came under one name."""
    whole = joined(pieces)
    values = _values(whole)
    if values is None:
        grows = len(pieces) > 1 and all(b.startswith(a) for a, b in pairwise(pieces))
        restarted = len(pieces) > 1 and bool(_values(pieces[-1]))
        is_start = restarted and pieces[-1].startswith("".join(pieces[:-1]))
        return [pieces[-1] if grows or is_start else whole]
    # An empty object beside others is the blank form that some servers begin or end a call with.
    told = [value for value in values if value] or values[:1]
    different = [value for at, value in enumerate(told) if value not in told[:at]]
    return [whole] if len(values) <= 1 else [json.dumps(value) for value in different]


def _values(text: str) -> list[dict[str, object]] | None:
    """The JSON objects that a text is a row of; None when it is anything else."""
    decoder = json.JSONDecoder(strict=False)
    values: list[dict[str, object]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            return None
        values.append(value)
        while at < len(text) and text[at].isspace():
            at += 1
    return values


def index_of(value: object) -> int | None:
    """A server's number of a call or block, which some write as text; None where there is none."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _dumped(value: object) -> str:
    return "" if value is None else json.dumps(dict(value) if isinstance(value, Mapping) else value)
