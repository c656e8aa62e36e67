"""The output of runs in the ledger: as it comes, capped, a stream for each run."""

import pytest

from rsi.agent.run.live import log_stream
from rsi.agent.run.live.live_log import LiveLog
from rsi.agent.run.live.log_stream import CUT
from rsi.evals.measure.running import Slot
from rsi.evals.types import Arm, Purpose


class Streams:
    """A ledger of log pieces alone."""

    def __init__(self):
        self.chunks = []

    def add_log(self, chunk):
        self.chunks.append(chunk)

    def log_streams(self, _):
        return tuple(dict.fromkeys(each.stream for each in self.chunks))

    def text(self, stream):
        pieces = [each for each in self.chunks if each.stream == stream]
        assert [each.seq for each in pieces] == list(range(len(pieces)))
        return b"".join(each.content for each in pieces)


def slot(arm=Arm.CANDIDATE):
    return Slot(
        arm=arm, purpose=Purpose.SCREEN, pair=2, position=0, training_seed=1, label="c1-0001"
    )


@pytest.fixture
def ledger():
    return Streams()


@pytest.fixture
def log(ledger):
    return LiveLog(ledger, "c1-0001", 0)


def test_the_first_words_are_there_before_the_run_ends(ledger, log):
    log.heard(slot(), "stdout", b"step=1\n")
    assert ledger.text("screen/0/candidate/2/stdout") == b"step=1\n"
    log.heard(slot(), "stdout", b"step=2\n")
    log.heard(slot(Arm.CHAMPION), "stderr", b"other\n")
    log.ended(slot())
    log.ended(slot(Arm.CHAMPION))
    assert ledger.text("screen/0/candidate/2/stdout") == b"step=1\nstep=2\n"
    assert ledger.text("screen/0/champion/2/stderr") == b"other\n"


def test_a_repeated_run_has_a_stream_of_its_own(ledger, log):
    for text in (b"first", b"second"):
        log.heard(slot(), "stdout", text)
        log.ended(slot())
    assert ledger.text("screen/0/candidate/2/stdout") == b"first"
    assert ledger.text("screen/0/candidate/2-1/stdout") == b"second"


def test_a_flood_is_cut_and_says_so(ledger, log, monkeypatch):
    monkeypatch.setattr(log_stream, "STREAM_BYTES", 10)
    for _ in range(3):
        log.heard(slot(), "stdout", b"x" * 8)
    log.ended(slot())
    assert ledger.text("screen/0/candidate/2/stdout") == b"x" * 10 + CUT
