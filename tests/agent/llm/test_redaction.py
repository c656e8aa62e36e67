"""A canary key in the worker's environment is found nowhere else."""

import base64
import json
from urllib.parse import quote

import pytest

from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.redaction import MASK, Redactor, redacting, secret_values

CANARY = "canary+key/with=odd&chars-8c1d"


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"Authorization: Bearer {CANARY}",
        quote(CANARY, safe=""),
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(b"x-api-key: " + CANARY.encode()).decode(),
        base64.b64encode(b"id: " + CANARY.encode() + b" tail").decode(),
        base64.b64encode(b"ab" + CANARY.encode() + b"z").decode(),
        CANARY.encode().hex(),
    ],
)
def test_a_known_secret_is_masked_in_every_usual_form(text):
    masked = Redactor([CANARY]).text(f"before {text} after")
    assert MASK in masked
    assert CANARY not in masked
    assert "before" in masked


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-api03-AAAAAAAAAAAAAAAAAAAA",
        "sk-proj-abcdefghijklmnop0123",
        "AIza" + "S" * 35,
        "AKIA" + "A" * 16,
        "ghp_" + "a" * 36,
        "hf_" + "b" * 34,
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_keys_of_well_known_shape_are_masked_even_when_nobody_named_them(text):
    assert Redactor().text(f"x {text} y") == f"x {MASK} y"


@pytest.mark.parametrize(
    "text", ["risk-averse", "task-sk-learn", "mask = [1, 0]", "a1b2c3d4" * 8, "sk-short"]
)
def test_ordinary_text_and_digests_are_left_alone(text):
    assert Redactor([CANARY]).text(text) == text


def test_json_is_redacted_in_keys_and_at_any_depth():
    value = {"a": [CANARY, {CANARY: 1}], "n": 3, "none": None, "flag": True}
    assert Redactor([CANARY]).json(value) == {
        "a": [MASK, {MASK: 1}], "n": 3, "none": None, "flag": True,
    }  # fmt: skip


def test_secrets_of_the_environment_are_known_by_their_names():
    environ = {
        "OPENAI_API_KEY": "0123456789abcdef",
        "DB_PASSWORD": "correct horse",
        "RSI_OPENAI_KEY_COMMAND": "pass show openai",
        "PATH": "/usr/bin:/bin",
        "SHORT_TOKEN": "abc",
    }
    assert set(secret_values(environ)) == {"0123456789abcdef", "correct horse"}
    ring = KeyRing(environ)
    assert ring.redactor().text("has correct horse and pass show openai") == (
        f"has {MASK} and pass show openai"
    )


def test_a_key_from_a_command_is_known_to_the_redactor():
    ring = KeyRing({"RSI_ANTHROPIC_KEY_COMMAND": f"printf %s {CANARY}"})
    assert ring.key_for("anthropic") == CANARY
    assert json.dumps(ring.redactor().json({"x": CANARY})) == json.dumps({"x": MASK})


def test_a_sink_can_be_wrapped_so_that_no_event_holds_a_secret():
    events = []
    sink = redacting(lambda *event: events.append(event), Redactor([CANARY]))
    sink("proposer", "tool_result", {"text": f"KEY={CANARY}", "is_error": False})
    assert events == [("proposer", "tool_result", {"text": f"KEY={MASK}", "is_error": False})]
