"""A streamed reply in Chat Completions form, put together from its chunks, as strict and sloppy servers send them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rsi.agent.llm.adapters.transport.event_stream import joined, readable
from rsi.agent.llm.adapters.wire.reading import Gathering
from rsi.agent.llm.adapters.wire.token_counts import chat_usage
from rsi.agent.llm.adapters.wire.tool_calls import BESIDE_CALLS, CallPieces
from rsi.agent.llm.base import OnDelta
from rsi.agent.llm.types import Block, Reasoning, Request, StopReason, Text, Usage

_STOPS: Mapping[str, StopReason] = {
    "stop": StopReason.END_TURN,
    "eos": StopReason.END_TURN,
    "end_turn": StopReason.END_TURN,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "length": StopReason.MAX_TOKENS,
    "max_tokens": StopReason.MAX_TOKENS,
    "content_filter": StopReason.REFUSAL,
}
_REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Where compatible servers put thinking: DeepSeek and vLLM the first, Ollama and OpenRouter the second."""
_BLOCK_FIELDS = ("thinking_blocks", "reasoning_details")
"""Where thinking comes in blocks that must go back as they came: litellm the first, OpenRouter the second."""
_CALL_FIELDS = frozenset({"id", "index", "type", "function", "name", "arguments"})
"""What every server says of a call; what one says beside it, such as Gemini's signatures, it wants back."""


class ChatReply(Gathering):
    """The reply so far."""

    def __init__(self, provider: str, request: Request, on_delta: OnDelta | None) -> None:
        super().__init__(on_delta)
        self._provider = provider
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._thinking: dict[str, list[str]] = {}
        self._thinking_blocks: dict[str, list[dict[str, Any]]] = {}
        self._calls = CallPieces(request)
        self._usages: list[object] = []
        self._choice: object = None
        """The server's number of the choice that is read; None until one has come."""

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one chunk, or a whole completion."""
        choices = event.get("choices")
        if not isinstance(choices, Sequence) and not event.get("usage"):
            return
        self.has_started = True
        self.model = _text(event.get("model")) or self.model
        self._note_usage(event)
        for choice in choices or ():
            if not isinstance(choice, Mapping) or not self._is_ours(choice.get("index")):
                continue  # we ask for one; a second would be melted into it
            self._note_usage(choice)
            delta, message = choice.get("delta"), choice.get("message")
            if isinstance(message, Mapping) and not self._has_output:
                self._add_said(message)  # else the whole once more, after its pieces
            if isinstance(delta, Mapping):
                self._add_said(delta)
            self.finish = _text(choice.get("finish_reason")).lower() or self.finish

    def _is_ours(self, index: object) -> bool:
        number = str(index or 0)
        self._choice = self._choice or number
        return number == self._choice

    @property
    def _has_output(self) -> bool:
        return bool(self._text or self._refusal or self._thinking or self._calls)

    def _note_usage(self, holder: Mapping[str, Any]) -> None:
        groq = holder.get("x_groq")
        for each in (holder.get("usage"), groq.get("usage") if isinstance(groq, Mapping) else None):
            if isinstance(each, Mapping):
                self._usages.append(each)

    def _add_said(self, said: Mapping[str, Any]) -> None:
        if text := _plain(said.get("content")):
            self._text.append(text)
            self.tell("text", text)
        if refusal := _plain(said.get("refusal")):
            self._refusal.append(refusal)
        for field in _REASONING_FIELDS:
            if thought := _text(said.get(field)):
                self._thinking.setdefault(field, []).append(thought)
                self.tell("reasoning", thought)
        for field in _BLOCK_FIELDS:
            if blocks := [each for each in _listed(said.get(field)) if isinstance(each, Mapping)]:
                self._thinking_blocks.setdefault(field, []).extend(map(dict, blocks))
        for call in _listed(said.get("tool_calls")):
            if isinstance(call, Mapping):
                self._add_call(call, call.get("function") or ({} if "function" in call else call))
        if isinstance(old_form := said.get("function_call"), Mapping):
            self._add_call({}, old_form)

    def _add_call(self, call: Mapping[str, Any], function: Mapping[str, Any]) -> None:
        piece = self._calls.add(
            call_id=call.get("id"),
            index=call.get("index"),
            name=function.get("name"),
            arguments=function.get("arguments"),
            beside={name: value for name, value in call.items() if name not in _CALL_FIELDS},
        )
        self.tell("tool_call", piece)

    def stop_reason(self) -> StopReason:
        """Why it stopped; announcing calls without making any is an end like another."""
        stop = _STOPS.get(self.finish or "", StopReason.OTHER)
        if self._refusal:
            return StopReason.REFUSAL
        if self._calls and stop in (StopReason.END_TURN, StopReason.OTHER):
            return StopReason.TOOL_USE
        return StopReason.END_TURN if stop is StopReason.TOOL_USE and not self._calls else stop

    def usage(self) -> Usage | None:
        """Its tokens; None when they are not told, or cannot be true."""
        return chat_usage(self._usages, has_output=self._has_output)

    def blocks(self) -> tuple[Block, ...]:
        """What it says, thinking first."""
        blocks: list[Block] = []
        made = [call for calls in self._calls.finished() for call in calls]
        payload: dict[str, Any] = {n: readable(joined(t)) for n, t in self._thinking.items()}
        text = next(iter(payload.values()), "")
        payload |= self._thinking_blocks
        if "thinking_blocks" in payload:
            payload["thinking_blocks"] = joined_thinking(payload["thinking_blocks"])
        if beside := self._calls.beside:
            payload[BESIDE_CALLS] = beside
        if payload:
            blocks.append(Reasoning(provider=self._provider, text=text, payload=payload))
        if text := readable(joined(self._text) + joined(self._refusal)):
            blocks.append(Text(text=text))
        return (*blocks, *made)


def joined_thinking(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whole thinking blocks from streamed pieces: text adds up until a signature closes a block."""
    blocks: list[dict[str, Any]] = []
    is_open = False
    for piece in pieces:
        if piece.get("type") != "thinking":
            blocks.append(dict(piece))
            is_open = False
            continue
        if not is_open:
            blocks.append({"type": "thinking", "thinking": "", "signature": ""})
        blocks[-1]["thinking"] += piece.get("thinking") or ""
        blocks[-1]["signature"] += piece.get("signature") or ""
        is_open = not piece.get("signature")
    return blocks


def _plain(content: object) -> str:
    """Text of a content field: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
    return "".join(part for part in parts if isinstance(part, str))


def _listed(value: object) -> Sequence[object]:
    """The items of a list, or one that came without a list around it."""
    if isinstance(value, Mapping):
        return (value,)
    return value if isinstance(value, list | tuple) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
