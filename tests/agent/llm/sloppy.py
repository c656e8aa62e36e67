"""Answers of servers that do not keep to their protocol: raw bytes, and the chunks and events to make them of."""

import gzip
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from rsi.agent.llm.types import StopReason

TOKENS = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
CLAUDES = {"input_tokens": 1000, "output_tokens": 50}
TRUE_TOKENS = 1050


def assert_read_whole(bill, text):
    """One attempt gave the whole text and an end, and what it cost is known."""
    assert bill.error is None
    assert bill.reply.text == text
    assert bill.reply.stop_reason is StopReason.END_TURN
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, TRUE_TOKENS, 0)


@dataclass(frozen=True, kw_only=True)
class Raw:
    """An answer byte by byte as given."""

    pieces: Sequence[bytes]
    status: int = 200
    content_type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    framing: str = "chunked"
    """"chunked", "length", or "close": an HTTP/1.0 answer that ends with the connection."""
    pause_s: float = 0.0
    is_cut: bool = False
    """Whether the connection drops where the body should end."""

    def play(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = self.framing == "close" or self.is_cut
        if self.framing == "close":
            handler.protocol_version = "HTTP/1.0"
        handler.send_response(self.status)
        handler.send_header("content-type", self.content_type)
        if self.framing == "chunked":
            handler.send_header("transfer-encoding", "chunked")
        if self.framing == "length":
            handler.send_header("content-length", str(sum(map(len, self.pieces))))
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        for piece in filter(None, self.pieces):
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if self.framing == "chunked" else piece
            handler.wfile.write(framed)
            handler.wfile.flush()
            time.sleep(self.pause_s)
        if self.is_cut:
            handler.connection.close()
        elif self.framing == "chunked":
            handler.wfile.write(b"0\r\n\r\n")


def sse(payload: object, event: str | None = None) -> bytes:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(payload)}\n\n".encode()


# --- Chat Completions -------------------------------------------------------------------


def chunk(delta: object = None, finish: str | None = None, **more: object) -> dict:
    """One chunk; without delta and finish it has no choices, as the one with the usage."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": choices if delta is not None or finish else [], **more,
    }  # fmt: skip


def chat(*chunks: dict, usage: object = TOKENS, done: bool = True) -> list[bytes]:
    """A streamed reply; `usage` None leaves the last chunk out."""
    last = [] if usage is None else [sse(chunk(usage=usage))]
    return [*map(sse, chunks), *last, *([b"data: [DONE]\n\n"] if done else [])]


def calls(*pieces: dict, finish: str = "tool_calls") -> list[dict]:
    """Chunks with one piece of a tool call each."""
    return [*(chunk({"tool_calls": [piece]}) for piece in pieces), chunk({}, finish)]


def piece(arguments: object = None, name: str | None = None, **more: object) -> dict:
    """A piece of a tool call; `more` is its id and index."""
    function = {"name": name, "arguments": arguments}
    return {
        "type": "function",
        "function": {k: v for k, v in function.items() if v is not None},
    } | more


# --- Messages ---------------------------------------------------------------------------


def messages(
    *events: dict,
    stop: str | None = "end_turn",
    usage: dict | None = CLAUDES,
    is_ended: bool = True,
) -> list[bytes]:
    """A streamed reply: its frame around the events given."""
    usage = usage or {}
    head = {
        "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage | {"output_tokens": 1} if usage else {},
    }  # fmt: skip
    frame: list[dict] = [{"type": "message_start", "message": head}, *events]
    if stop is not None:
        delta = {"stop_reason": stop, "stop_sequence": None}
        output = {k: v for k, v in usage.items() if k == "output_tokens"}
        frame.append({"type": "message_delta", "delta": delta, "usage": output})
    if is_ended:
        frame.append({"type": "message_stop"})
    return named(frame)


def named(events: Iterable[dict]) -> list[bytes]:
    """Events with their names, as the API sends them."""
    return [sse(event, str(event["type"])) for event in events]


def block(index: int, start: dict, *deltas: dict) -> list[dict]:
    """A whole content block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def said(text: str, index: int = 0) -> list[dict]:
    """A text block."""
    start = {"type": "text", "text": ""}
    return block(index, start, {"type": "text_delta", "text": text})


def used(
    call_id: object, name: str, *parts: str, index: int = 0, start: object = None
) -> list[dict]:
    """A tool block, its input in pieces."""
    head = {
        "type": "tool_use",
        "id": call_id,
        "name": name,
        "input": {} if start is None else start,
    }
    return block(
        index, head, *({"type": "input_json_delta", "partial_json": part} for part in parts)
    )


# --- both ------------------------------------------------------------------------------


def hello(adapter: str, text: str = "Hello, wörld.") -> list[bytes]:
    """The plain good answer of a protocol, as the pieces of its stream."""
    if "anthropic" in adapter:
        return messages(*said(text))
    return chat(chunk({"role": "assistant", "content": text}), chunk({}, "stop"))


def whole(adapter: str, text: str = "Hello, wörld.") -> dict:
    """The same answer as one JSON object, as without streaming."""
    if "anthropic" in adapter:
        return {
            "id": "m1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
            "stop_sequence": None, "usage": CLAUDES,
        }  # fmt: skip
    message = {"role": "assistant", "content": text}
    return {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m", "usage": TOKENS,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }  # fmt: skip


def zipped(pieces: Iterable[bytes]) -> list[bytes]:
    return [gzip.compress(b"".join(pieces))]


def split(pieces: Iterable[bytes], size: int) -> list[bytes]:
    """The same bytes in pieces of another size, which cuts characters and lines."""
    body = b"".join(pieces)
    return [body[i : i + size] for i in range(0, len(body), size)]
