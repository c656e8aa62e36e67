"""What a development harness answers, and what it counts: runs one after the other on one instance, each on its own account."""

import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from rsi.tasks.harness_kit.artifacts import InvalidArtifact
from rsi.tasks.harness_kit.developing import Development, develop
from rsi.tasks.harness_kit.frames import Frame, FrameError
from rsi.tasks.harness_kit.link import LAST_RUN, Link, Refused
from rsi.tasks.harness_kit.results import Graded
from rsi.tasks.harness_kit.serving import Refusal

WAIT_S = 20.0


class Counting:
    """A session that is worth as much as it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.finished = 0

    def answer(self, call: str, frame: Frame) -> Frame:
        match call:
            case "no":
                raise Refusal("not that")
            case "bad":
                raise InvalidArtifact("no good")
        self.asked += 1
        return Frame(head={"asked": self.asked})

    def finish(self) -> Graded:
        self.finished += 1
        return Graded(metric_value=float(self.asked))


@pytest.fixture
def served(tmp_path: Path):
    """Open connections to a development harness; its sessions and its count."""
    place = tmp_path / "s"
    sessions: list[Counting] = []

    def begin() -> Counting:
        sessions.append(Counting())
        return sessions[-1]

    development = Development(
        begin=begin,
        reading=lambda graded: {
            "outcome": graded.outcome,
            "reason": graded.reason,
            "value": graded.metric_value,
        },
        calls_file=tmp_path / "calls",
        max_calls=12,
    )
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen(1)
    threading.Thread(target=develop, args=(listener, development), daemon=True).start()

    def connect() -> Link:
        return Link(str(place))

    connect.sessions = sessions
    connect.calls = lambda: int((tmp_path / "calls").read_text())
    connect.raw = lambda: _raw(place)
    return connect


def _raw(place: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(WAIT_S)
    link.connect(str(place))
    return link


def told(connect) -> dict:
    with connect() as harness:
        return dict(harness.call(LAST_RUN).head)


def test_each_connection_is_a_run_and_is_graded_only_when_asked(served):
    with served() as harness:
        harness.call("next")
        harness.call("next")
    with served() as harness:
        assert harness.call("next").head["asked"] == 1
    assert [each.finished for each in served.sessions] == [0, 0]
    said = told(served)
    assert said["run"] == 2
    assert said["result"]["value"] == 1.0
    assert (said["calls_of_all_runs"], said["calls_left"], served.calls()) == (3, 9, 3)
    assert told(served) == said
    assert [each.finished for each in served.sessions] == [0, 1]


def test_before_the_first_run_there_is_nothing_to_tell(served):
    with served() as harness, pytest.raises(Refused, match="no run yet"):
        harness.call(LAST_RUN)


def test_who_asks_in_the_middle_of_a_run_begins_another_with_the_next_call(served):
    with served() as harness:
        harness.call("next")
        assert harness.call(LAST_RUN).head["result"]["value"] == 1.0
        assert harness.call("next").head["asked"] == 1
        assert harness.call(LAST_RUN).head["run"] == 2


def test_calls_are_counted_over_all_runs_refused_ones_too_and_end_at_the_limit(served):
    for _ in range(2):
        with served() as harness:
            for _ in range(4):
                harness.call("next")
    with served() as harness:
        for _ in range(4):
            with pytest.raises(Refused, match="not that"):
                harness.call("no")
        with pytest.raises(Refused, match="all 12 calls"):
            harness.call("next")
    assert served.calls() == 12
    assert told(served)["calls_left"] == 0


def test_a_new_connection_ends_the_one_before(served):
    with served() as old:
        old.call("next")
        with served() as new:
            assert new.call("next").head["asked"] == 1
            with pytest.raises((FrameError, OSError)):
                old.call("next")
    assert told(served)["run"] == 2


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"\xff" * 4, "not a frame: a head of"),
        (struct.pack(">I", 2) + b"{}", 'not a frame: the head has no text under "call"'),
        (struct.pack(">I", 14) + b'{"call":"bad"}', "no good"),
    ],
    ids=["no head", "no call", "no answer"],
)
def test_what_ends_a_measured_run_ends_this_one_and_no_other(served, sent, words):
    with served() as harness:
        harness.call("next")
    with served.raw() as link:
        link.sendall(sent)
        assert link.recv(1) == b""
    said = told(served)
    assert said["run"] == 2
    assert said["result"]["outcome"] == "invalid_output"
    assert words in said["result"]["reason"]
    with served() as harness:
        assert harness.call("next").head["asked"] == 1


def test_half_a_frame_holds_up_nobody_who_comes_later(served, monkeypatch):
    monkeypatch.setattr("rsi.tasks.harness_kit.developing.STALLED_S", 0.2)
    with served.raw() as link:
        link.sendall(b"\0\0")
        begun = time.monotonic()
        with served() as harness:
            assert harness.call("next").head["asked"] == 1
        assert time.monotonic() - begun < WAIT_S
