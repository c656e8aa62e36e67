"""What a model says in the ledger: while it says it, without keys, broken off where it broke off."""

import pytest
from tests.agent.run.test_live_log import Streams

from rsi.agent.llm.base import Delta
from rsi.agent.llm.errors import ModelError
from rsi.agent.llm.redaction import Redactor
from rsi.agent.run.live import log_stream
from rsi.agent.run.live.live_speech import HELD_CHARS, AudibleModel
from rsi.agent.run.live.log_stream import LogStream, unused_name

KEY = "canary-6f1d2e0b9c8a4757"
SHAPED = "hf_" + "a1" * 16


class Speaker:
    """Says its pieces; after each the listener of the test looks at what is kept."""

    spec, price, context_tokens = "test:speaker", None, 1000

    def __init__(self, pieces, *, look=lambda: None, error=None):
        self.pieces, self.look, self.error = pieces, look, error

    def complete(self, request, *, on_delta=None):
        for kind, text in self.pieces:
            on_delta(Delta(kind=kind, text=text))
            self.look()
        if self.error is not None:
            raise self.error
        return "the reply"


@pytest.fixture
def ledger(monkeypatch):
    monkeypatch.setattr(log_stream, "FLUSH_S", 0.0)
    return Streams()


def heard(ledger, speaker, *, calls=1):
    def open_stream():
        name = unused_name(ledger, "c1-0001", "proposer/0")
        return LogStream(ledger, "c1-0001", name)

    model = AudibleModel(speaker, open_stream, Redactor([KEY]))
    for _ in range(calls):
        assert model.complete(None) == "the reply"
    return ledger.text("proposer/0")


def test_words_are_there_before_the_reply_is_whole(ledger):
    seen = []

    def look():
        seen.append(ledger.text("proposer/0"))

    pieces = [("reasoning", "The loop "), ("reasoning", "is slow. "), ("text", "I change it.")]
    text = heard(ledger, Speaker(pieces, look=look))
    assert text == b"\n[thinks] The loop is slow. \n[says] I change it.\n"
    assert seen[0] == b"\n[thinks] The loop "
    assert seen[1] == b"\n[thinks] The loop is slow. "


def test_replies_of_a_step_follow_each_other_in_one_stream(ledger):
    text = heard(ledger, Speaker([("tool_call", '{"text": "a\\nb"}')]), calls=2)
    assert text == b'\n[calls] {"text": "a\nb"}\n' * 2


def test_a_step_that_runs_again_gets_a_stream_of_its_own(ledger):
    heard(ledger, Speaker([("text", "first")]))
    heard(ledger, Speaker([("text", "second")]))
    assert ledger.text("proposer/0") == b"\n[says] first\n"
    assert ledger.text("proposer/0-1") == b"\n[says] second\n"


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_a_key_in_pieces_is_never_written(ledger, size):
    private = "-----BEGIN PRIVATE KEY-----\nMIIE vQ\n-----END PRIVATE KEY-----"
    said = f"my key is {KEY} and {SHAPED} and {private} and no more"
    pieces = [("text", said[i : i + size]) for i in range(0, len(said), size)]
    text = heard(ledger, Speaker(pieces)).decode()
    assert text == "\n[says] my key is [secret] and [secret] and [secret] and no more\n"


def test_one_endless_word_is_written_in_parts(ledger):
    pieces = [("text", "x" * 1000)] * (HELD_CHARS // 1000 + 2)
    seen = []
    heard(ledger, Speaker(pieces, look=lambda: seen.append(len(ledger.text("proposer/0")))))
    assert seen[-1] > HELD_CHARS


def test_a_reply_that_breaks_off_is_shown_as_far_as_it_came(ledger):
    error = ModelError("cut")
    with pytest.raises(ModelError):
        heard(ledger, Speaker([("text", "half a")], error=error))
    assert ledger.text("proposer/0") == b"\n[says] half a\n"
