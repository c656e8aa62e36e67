"""What is reserved for a request is never less than what a tokenizer makes of it."""

import importlib.util
import json
from pathlib import Path

import pytest

from rsi.agent.llm.tokens import request_tokens_bound, request_tokens_estimate
from rsi.agent.llm.types import (
    Message,
    Reasoning,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)

TEXTS = {
    "code": Path(__file__).read_text(encoding="utf-8"),
    "digits with spaces": " ".join("0123456789" * 200),
    "signs": "~`^|\\" * 400 + "\x00\x01\x02\x03" * 400,
    "cuneiform": "\U00012000\U00012040\U00012100" * 300,
    "private use": "\ue000\uf8ff\U000f0000" * 300,
    "pictures": "\U0001fad8\U0001fae0\u200d\ufe0f" * 200,
}


def request_of(text):
    call = ToolCall(id="call-1", name="write", arguments={"path": "a", "content": text})
    return Request(
        system=text,
        tools=(ToolSpec(name="write", description=text, parameters={"type": "object"}),),
        messages=(
            Message(role=Role.USER, blocks=(Text(text=text),)),
            Message(
                role=Role.ASSISTANT,
                blocks=(
                    Reasoning(provider="openai", text=text, payload={"reasoning_content": text}),
                    call,
                ),
            ),
            Message(role=Role.USER, blocks=(ToolResult(call_id="call-1", text=text),)),
        ),
        max_output_tokens=1000,
    )


def said(request):
    """All that a provider could count, each piece as it is sent."""
    yield request.system
    for tool in request.tools:
        yield json.dumps([tool.name, tool.description, dict(tool.parameters)], ensure_ascii=False)
    for message in request.messages:
        yield message.role.value
        for block in message.blocks:
            match block:
                case Text() | ToolResult():
                    yield block.text
                case Reasoning():
                    yield json.dumps(dict(block.payload), ensure_ascii=False)
                case ToolCall():
                    yield json.dumps(dict(block.arguments), ensure_ascii=False)


@pytest.fixture(params=["cl100k_base", "o200k_base"])
def tokenizer(request, monkeypatch):
    tiktoken = pytest.importorskip("tiktoken")
    litellm = importlib.util.find_spec("litellm")
    if litellm is None:
        pytest.skip("litellm ships the vocabularies")
    folder = Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    return tiktoken.get_encoding(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_no_text_has_more_tokens_than_are_reserved_for_it(tokenizer, name):
    request = request_of(TEXTS[name])
    counted = sum(len(tokenizer.encode(piece, disallowed_special=())) for piece in said(request))
    assert counted <= request_tokens_bound(request)


@pytest.mark.parametrize("name", TEXTS)
def test_the_bound_is_a_token_for_each_byte_and_more(name):
    request = request_of(TEXTS[name])
    sent = sum(len(piece.encode()) for piece in said(request))
    assert sent < request_tokens_bound(request)
    assert request_tokens_estimate(request) < request_tokens_bound(request)


def test_half_characters_and_empty_requests_have_a_bound_too():
    assert request_tokens_bound(request_of("\ud83d" * 10)) > 0
    empty = Request(system="", messages=(), max_output_tokens=1)
    assert request_tokens_bound(empty) > 0
