"""A local server that speaks Anthropic's Messages and OpenAI's Chat Completions protocols, streaming.

Each request takes the next act of a list: say something, fail, cut the stream, send rubbish, drip. Without
acts a brain answers: any `Model`, so that a script can be played through a real SDK.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from tests.agent.llm.strict import chat_problem, messages_problem

from rsi.agent.llm.base import Model
from rsi.agent.llm.types import (
    Block,
    Message,
    Reasoning,
    Reply,
    Request,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)


@dataclass(frozen=True, kw_only=True)
class Say:
    """Answer properly."""

    blocks: tuple[Block, ...] = (Text(text="Hello."),)
    stop: StopReason | None = None
    usage: Usage | None = field(
        default_factory=lambda: Usage(
            input_uncached_tokens=1000, cache_read_tokens=800, cache_write_tokens=100,
            output_tokens=50, reasoning_tokens=0,
        )
    )  # fmt: skip
    raw_arguments: str | None = None
    """Sent as every tool call's arguments instead of the real ones."""


@dataclass(frozen=True, kw_only=True)
class Fail:
    """Answer with an error status."""

    status: int
    kind: str = "api_error"
    message: str = "something went wrong"
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent instead of the provider's own error form."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Begin a proper answer and drop the connection after some events."""

    events: int = 2


@dataclass(frozen=True, kw_only=True)
class Rubbish:
    """Send an event that is not JSON in the middle."""


@dataclass(frozen=True, kw_only=True)
class MidwayError:
    """Send an error event in the middle of a stream, as overloaded providers do."""


@dataclass(frozen=True, kw_only=True)
class Silent:
    """Take the request and say nothing."""

    for_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Drip:
    """Send a comment byte by byte, without end."""

    pause_s: float = 0.05
    for_s: float = 30.0


class Free(Protocol):
    """Answers in a form of its own; `sloppy.Raw` is one."""

    def play(self, handler: BaseHTTPRequestHandler) -> None: ...


Act = Say | Fail | Cut | Rubbish | MidwayError | Silent | Drip | Free


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict


class FakeProvider:
    """The server; use as a context manager."""

    def __init__(self, brain: Callable[[Request], Model] | None = None) -> None:
        self.acts: list[Act] = []
        self.seen: list[Seen] = []
        self.pages: dict[str, object] = {}
        """What GET answers by path, as JSON; other paths are not found."""
        self.signed: dict[str, str] = {}
        """Thinking that was said, by its signature."""
        self.asked: list[str] = []
        """Paths of GET requests."""
        self.brain = brain
        self.refuse: Callable[[dict], Act | None] = lambda body: None
        """Looks at each request first; what it returns is the answer."""
        self.closing = threading.Event()
        outer = self

        class Handler(_Handler):
            provider = outer

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_) -> None:
                pass  # clients hang up on bad answers

        self._server = Server(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeProvider":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def next_act(self, request: Request) -> Act:
        if (refusal := self.refuse(self.seen[-1].body)) is not None:
            return refusal
        if self.acts:
            return self.acts.pop(0)
        if self.brain is None:
            return Say()
        reply: Reply = self.brain(request).complete(request)
        return Say(blocks=reply.blocks, stop=reply.stop_reason, usage=reply.usage)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    provider: FakeProvider

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self.provider.asked.append(self.path)
        page = self.provider.pages.get(self.path)
        raw = json.dumps(page).encode()
        self.send_response(404 if page is None else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.loads(raw)
        self.provider.seen.append(Seen(self.path, dict(self.headers), body))
        is_anthropic = self.path.endswith("/messages")
        signed = self.provider.signed
        problem = messages_problem(body, signed) if is_anthropic else chat_problem(body)
        if problem is not None:
            self._fail(
                Fail(status=400, kind="invalid_request_error", message=problem), is_anthropic
            )
            return
        request = decode_anthropic(body) if is_anthropic else decode_openai(body)
        act = self.provider.next_act(request)
        try:
            self._act(act, is_anthropic, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _act(self, act: Act, is_anthropic: bool, body: dict) -> None:
        if hasattr(act, "play"):
            act.play(self)
            return
        if isinstance(act, Fail):
            self._fail(act, is_anthropic)
            return
        if isinstance(act, Silent):
            self.provider.closing.wait(act.for_s)
            self.close_connection = True
            return
        for block in act.blocks if isinstance(act, Say) else ():
            if isinstance(block, Reasoning):
                self.provider.signed[str(block.payload.get("signature"))] = block.text
        say = act if isinstance(act, Say) else Say(blocks=(Text(text="one two three four"),))
        events = (anthropic_events if is_anthropic else openai_events)(say, body)
        self._begin()
        if isinstance(act, Drip):
            self._drip(act)
            return
        for number, event in enumerate(events):
            if number == 2 and isinstance(act, Rubbish):
                event = event.split(b"data: ")[0] + b'data: {"type": "mess\n\n'
            if number == 2 and isinstance(act, MidwayError):
                event = _midway_error(is_anthropic)
            if isinstance(act, Cut) and number == act.events:
                self.close_connection = True
                self.wfile.flush()
                self.connection.close()
                return
            self._chunk(event)
        self._chunk(b"")

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self._ids()
        self.end_headers()

    def _ids(self) -> None:
        number = len(self.provider.seen)
        self.send_header("request-id", f"req_{number}")
        self.send_header("x-request-id", f"req_{number}")

    def _chunk(self, piece: bytes) -> None:
        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.flush()

    def _drip(self, act: Drip) -> None:
        end = time.monotonic() + act.for_s
        self._chunk(b":")
        while time.monotonic() < end and not self.provider.closing.is_set():
            self._chunk(b".")
            time.sleep(act.pause_s)
        self.close_connection = True

    def _fail(self, act: Fail, is_anthropic: bool) -> None:
        error: dict = {"type": act.kind, "message": act.message}
        if is_anthropic:
            content: dict = {"type": "error", "error": error}
        else:
            content = {"error": error | {"code": act.code, "param": None}}
        raw = act.body if act.body is not None else json.dumps(content).encode()
        self.send_response(act.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self._ids()
        for name, value in act.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


def _midway_error(is_anthropic: bool) -> bytes:
    if is_anthropic:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        return _sse(error, "error")
    return _sse({"error": {"type": "api_error", "message": "The server had an error"}})


def _sse(payload: dict, event: str | None = None) -> bytes:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(payload)}\n\n".encode()


def _pieces(text: str) -> list[str]:
    """A text in uneven pieces, as it streams."""
    third = max(1, len(text) // 3)
    return [text[i : i + third] for i in range(0, len(text), third)]


# --- Anthropic ------------------------------------------------------------------------

_ANTHROPIC_STOPS = {
    StopReason.END_TURN: "end_turn",
    StopReason.TOOL_USE: "tool_use",
    StopReason.MAX_TOKENS: "max_tokens",
    StopReason.REFUSAL: "refusal",
    StopReason.CONTEXT_FULL: "model_context_window_exceeded",
    StopReason.OTHER: "pause_turn",
}


def anthropic_events(say: Say, body: dict) -> list[bytes]:
    usage = say.usage
    start_usage = {"input_tokens": 0, "output_tokens": 1}
    if usage is not None:
        start_usage = {
            "input_tokens": usage.input_uncached_tokens,
            "cache_read_input_tokens": usage.cache_read_tokens,
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "output_tokens": 1,
        }
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": start_usage,
    }  # fmt: skip
    events = [_sse({"type": "message_start", "message": message}, "message_start")]
    events.append(_sse({"type": "ping"}, "ping"))
    for index, block in enumerate(say.blocks):
        start, deltas = _anthropic_block(block, say.raw_arguments)
        events.append(
            _sse(
                {"type": "content_block_start", "index": index, "content_block": start},
                "content_block_start",
            )
        )
        events += [
            _sse(
                {"type": "content_block_delta", "index": index, "delta": delta},
                "content_block_delta",
            )
            for delta in deltas
        ]
        events.append(_sse({"type": "content_block_stop", "index": index}, "content_block_stop"))
    stop = _ANTHROPIC_STOPS[say.stop or _natural_stop(say)]
    delta: dict = {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}}
    if usage is not None:
        delta["usage"] = {"output_tokens": usage.output_tokens}
    events.append(_sse(delta, "message_delta"))
    events.append(_sse({"type": "message_stop"}, "message_stop"))
    return events


def _anthropic_block(block: Block, raw: str | None) -> tuple[dict, list[dict]]:
    if isinstance(block, Text):
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block.text)]
        return {"type": "text", "text": ""}, deltas
    if isinstance(block, Reasoning):
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block.text)]
        deltas.append({"type": "signature_delta", "signature": str(block.payload["signature"])})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    assert isinstance(block, ToolCall)
    text = raw if raw is not None else json.dumps(dict(block.arguments))
    deltas = [{"type": "input_json_delta", "partial_json": ""}]
    deltas += [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text)]
    return {"type": "tool_use", "id": f"toolu_{block.id}", "name": block.name, "input": {}}, deltas


def decode_anthropic(body: dict) -> Request:
    messages = []
    for message in body["messages"]:
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        blocks = tuple(b for part in content if (b := _decode_part(part)) is not None)
        messages.append(Message(role=Role(message["role"]), blocks=blocks))
    system = body.get("system", "")
    if not isinstance(system, str):
        system = "\n".join(part["text"] for part in system)
    tools = tuple(
        ToolSpec(
            name=tool["name"],
            description=tool.get("description", ""),
            parameters=tool["input_schema"],
        )
        for tool in body.get("tools", ())
    )
    return Request(system=system, messages=tuple(messages), tools=tools)


def _decode_part(part: dict) -> Block | None:
    match part["type"]:
        case "text":
            return Text(text=part["text"])
        case "tool_use":
            return ToolCall(id=part["id"], name=part["name"], arguments=part["input"])
        case "tool_result":
            content = part["content"]
            if not isinstance(content, str):
                content = "".join(piece["text"] for piece in content)
            is_error = part.get("is_error", False) or content.startswith("Error: ")
            return ToolResult(
                call_id=part["tool_use_id"],
                text=content.removeprefix("Error: "),
                is_error=is_error,
            )
        case _:
            return None


# --- OpenAI ---------------------------------------------------------------------------

_OPENAI_STOPS = {
    StopReason.END_TURN: "stop",
    StopReason.TOOL_USE: "tool_calls",
    StopReason.MAX_TOKENS: "length",
    StopReason.REFUSAL: "content_filter",
    StopReason.CONTEXT_FULL: "length",
    StopReason.OTHER: "stop",
}


def openai_events(say: Say, body: dict) -> list[bytes]:
    def chunk(delta: dict | None, finish: str | None = None, usage: dict | None = None) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return _sse(
            {
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
                "model": body["model"], "choices": choices, "usage": usage,
            }
        )  # fmt: skip

    events = [chunk({"role": "assistant", "content": ""})]
    number = 0
    for block in say.blocks:
        if isinstance(block, Text):
            events += [chunk({"content": piece}) for piece in _pieces(block.text)]
        elif isinstance(block, Reasoning):
            events += [chunk({"reasoning_content": piece}) for piece in _pieces(block.text)]
        elif isinstance(block, ToolCall):
            text = (
                say.raw_arguments
                if say.raw_arguments is not None
                else json.dumps(dict(block.arguments))
            )
            function = {"name": block.name, "arguments": ""}
            head = {"index": number, "id": f"call_{block.id}", "type": "function"}
            events.append(chunk({"tool_calls": [head | {"function": function}]}))
            events += [
                chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
                for piece in _pieces(text)
            ]
            number += 1
    events.append(chunk({}, _OPENAI_STOPS[say.stop or _natural_stop(say)]))
    if say.usage is not None and body.get("stream_options", {}).get("include_usage"):
        events.append(chunk(None, None, _openai_usage(say.usage)))
    events.append(b"data: [DONE]\n\n")
    return events


def _openai_usage(usage: Usage) -> dict:
    prompt = usage.input_uncached_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def decode_openai(body: dict) -> Request:
    messages: list[Message] = []
    system = ""
    for message in body["messages"]:
        content = message.get("content") or ""
        if not isinstance(content, str):
            content = "".join(part["text"] for part in content)
        if message["role"] in ("system", "developer"):
            system += content
        elif message["role"] == "assistant":
            calls = tuple(
                ToolCall(
                    id=call["id"],
                    name=call["function"]["name"],
                    arguments=json.loads(call["function"]["arguments"]),
                )
                for call in message.get("tool_calls") or ()
            )
            texts = (Text(text=content),) if content else ()
            messages.append(Message(role=Role.ASSISTANT, blocks=(*texts, *calls)))
        else:
            _add_user(messages, message, content)
    tools = tuple(
        ToolSpec(
            name=tool["function"]["name"],
            description=tool["function"].get("description", ""),
            parameters=tool["function"]["parameters"],
        )
        for tool in body.get("tools") or ()
    )
    return Request(system=system, messages=tuple(messages), tools=tools)


def _add_user(messages: list[Message], message: dict, content: str) -> None:
    """Tool messages and user messages in a row are one turn of ours."""
    block: Block = Text(text=content)
    if message["role"] == "tool":
        is_error = content.startswith("Error: ")
        block = ToolResult(
            call_id=message["tool_call_id"],
            text=content.removeprefix("Error: "),
            is_error=is_error,
        )
    if messages and messages[-1].role is Role.USER:
        messages[-1] = Message(role=Role.USER, blocks=(*messages[-1].blocks, block))
    else:
        messages.append(Message(role=Role.USER, blocks=(block,)))


def _natural_stop(say: Say) -> StopReason:
    has_calls = any(isinstance(block, ToolCall) for block in say.blocks)
    return StopReason.TOOL_USE if has_calls else StopReason.END_TURN
