"""A streamed reply of the Messages API, put together from its events, as strict and sloppy servers send them."""

from collections.abc import Mapping
from typing import Any

from rsi.agent.llm.adapters.transport.event_stream import joined, readable
from rsi.agent.llm.adapters.wire.reading import Gathering
from rsi.agent.llm.adapters.wire.token_counts import claude_usage
from rsi.agent.llm.adapters.wire.tool_calls import CallPieces, index_of
from rsi.agent.llm.base import OnDelta
from rsi.agent.llm.types import Block, Reasoning, Request, StopReason, Text, Usage

_STOPS: Mapping[str, StopReason] = {
    "end_turn": StopReason.END_TURN,
    "stop_sequence": StopReason.END_TURN,
    "tool_use": StopReason.TOOL_USE,
    "max_tokens": StopReason.MAX_TOKENS,
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,
    "refusal": StopReason.REFUSAL,
}
_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
_KINDS = {"text_delta": "text", "input_json_delta": "tool_use"}


class MessagesReply(Gathering):
    """The reply so far."""

    def __init__(self, provider: str, request: Request, on_delta: OnDelta | None) -> None:
        super().__init__(on_delta)
        self._provider = provider
        self._blocks: list[dict[str, Any]] = []
        self._at: dict[object, int] = {}
        """Place of the latest block that a server gave an index."""
        self._pieces: dict[int, list[object]] = {}
        self._request = request
        self._usages: list[object] = []

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event, or a whole message."""
        match event.get("type"):
            case "message_start" if isinstance(message := event.get("message"), Mapping):
                self.has_started = True
                self.model = str(message.get("model") or "")
                self._usages.append(_of_input(message.get("usage")))
                # A second one: what is between us and the model has asked it again.
                self._blocks, self._at, self._pieces = [], {}, {}
            case "message":
                self._add_whole(event)
            case "content_block_start":
                self._begin(index_of(event.get("index")), event.get("content_block") or {})
            case "content_block_delta":
                self._extend(index_of(event.get("index")), event.get("delta") or {})
            case "message_delta":
                self.has_started = True
                self._note_end((event.get("delta") or {}).get("stop_reason"), event.get("usage"))
            case "message_stop":
                self.is_ended = self.has_started
                self._usages.append(event.get("usage"))
            case _:
                pass  # content_block_stop, ping, and kinds that a newer API may add

    def _add_whole(self, message: Mapping[str, Any]) -> None:
        self.has_started = self.is_ended = True
        self.model = str(message.get("model") or "")
        content = message.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not self._blocks:  # else the whole once more, after its pieces
            for number, block in enumerate(content or ()):
                self._begin(number, block)
        self._note_end(message.get("stop_reason"), message.get("usage"))

    def _note_end(self, stop: object, usage: object) -> None:
        self.finish = str(stop).lower() if stop else self.finish
        self._usages.append(usage)

    def _begin(self, index: object, block: Mapping[str, Any]) -> None:
        self.has_started = True
        # An index that comes twice is another block, not the same one again.
        self._at[index] = len(self._blocks)
        self._blocks.append(dict(block))
        for field, kind in (("text", "text"), ("thinking", "reasoning")):
            if isinstance(text := block.get(field), str):
                self.tell(kind, text)
        if block.get("input"):
            self._pieces[self._at[index]] = [block["input"]]

    def _extend(self, index: object, delta: Mapping[str, Any]) -> None:
        kind = delta.get("type")
        if index not in self._at:
            # The last block when the index is missing; a new one when its start is.
            if index is None and self._blocks:
                self._at[index] = len(self._blocks) - 1
            else:
                self._begin(index, {"type": _KINDS.get(str(kind), "thinking")})
        place = self._at[index]
        if kind == "input_json_delta":
            piece = delta.get("partial_json") or ""
            self._pieces.setdefault(place, []).append(piece)
            self.tell("tool_call", str(piece))
        elif (field := _TEXTS.get(str(kind))) is not None:
            text = str(delta.get(field) or "")
            self._blocks[place][field] = (self._blocks[place].get(field) or "") + text
            if kind != "signature_delta":
                self.tell("text" if kind == "text_delta" else "reasoning", text)

    def stop_reason(self) -> StopReason:
        """Why it stopped; announcing tool use without any is an end like another."""
        has_calls = any(block.get("type") == "tool_use" for block in self._blocks)
        stop = _STOPS.get(self.finish or "", StopReason.OTHER)
        if has_calls and stop in (StopReason.END_TURN, StopReason.OTHER):
            return StopReason.TOOL_USE
        return StopReason.END_TURN if stop is StopReason.TOOL_USE and not has_calls else stop

    def usage(self) -> Usage | None:
        """Its tokens; None when they are not told, or cannot be true."""
        return claude_usage(self._usages, has_output=bool(self._blocks))

    def blocks(self) -> tuple[Block, ...]:
        """What it says, in the order in which it came."""
        calls = CallPieces(self._request)
        for place, block in enumerate(self._blocks):
            if block.get("type") == "tool_use":
                pieces = self._pieces.get(place, ())
                calls.add_whole(call_id=block.get("id"), name=block.get("name"), pieces=pieces)
        made = iter(calls.finished())
        blocks: list[Block] = []
        for block in self._blocks:
            match block.get("type"):
                case "text":
                    blocks.append(Text(text=_whole(block.get("text"))))
                case "tool_use":
                    blocks += next(made)
                case _:
                    # Thinking, redacted thinking and kinds that we do not know all go back as they came.
                    text = _whole(block.get("thinking"))
                    payload = block | ({"thinking": text} if "thinking" in block else {})
                    blocks.append(Reasoning(provider=self._provider, text=text, payload=payload))
        return tuple(blocks)


def _whole(text: object) -> str:
    """A text put together from pieces, fit to be kept."""
    return readable(joined([str(text or "")]))


def _of_input(usage: object) -> object:
    """What the first event says of the tokens: its output count is a placeholder."""
    if not isinstance(usage, Mapping):
        return None
    return {name: n for name, n in usage.items() if name != "output_tokens"}
