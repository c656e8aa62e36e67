"""The clock of a clocked task starts before the inputs can be seen and stops after the outputs were copied."""

import math
import mmap
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from rsi.tasks.harness_kit.artifacts import InvalidArtifact
from rsi.tasks.harness_kit.driving import (
    BOUNDARY,
    WORDS,
    Repeats,
    Worker,
    packed,
    packed_size,
    unpacked,
)
from rsi.tasks.harness_kit.link import SOCKET_VARIABLE, work

SIZE = 64 << 20
"""Large, so that filling and copying take tens of milliseconds."""
CALL = struct.calcsize(f"<{WORDS}q")
DONE = struct.pack("<q", 0)
CALLS = 4


@pytest.fixture
def connected() -> Iterator[tuple[Worker, socket.socket, mmap.mmap, mmap.mmap]]:
    """A harness's end, and a worker's end with its view of the memory."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    worker = Worker(ours, in_bytes=SIZE, out_bytes=SIZE)
    _, files, _, _ = socket.recv_fds(theirs, 16, 2)
    seen = mmap.mmap(files[0], SIZE, prot=mmap.PROT_READ)
    out = mmap.mmap(files[1], SIZE)
    yield worker, theirs, seen, out
    for file in files:
        os.close(file)
    ours.close()
    theirs.close()


def test_what_watches_the_memory_sees_no_input_before_the_clock_runs(connected):
    worker, link, seen, _ = connected
    reading, writing = os.pipe()
    child = os.fork()  # a process of its own, since threads here take turns
    if child == 0:
        while seen[0] == 0:
            pass
        began = time.monotonic()
        link.recv(CALL, socket.MSG_WAITALL)
        os.write(writing, struct.pack("<d", time.monotonic() - began))
        link.sendall(DONE)
        os._exit(0)
    answer = worker.call((1,), b"\x01" * 4096, out_bytes=SIZE)
    os.waitpid(child, 0)
    (spare_s,) = struct.unpack("<d", os.read(reading, 8))
    assert answer.wall_s >= spare_s


def test_what_is_written_after_the_word_done_is_on_the_clock(connected):
    """The child goes on writing, at the end of the outputs, how long ago it said that it is done."""
    worker, link, _, out = connected
    child = os.fork()
    if child == 0:
        for _ in range(CALLS):
            link.recv(CALL, socket.MSG_WAITALL)
            said = time.monotonic()
            link.sendall(DONE)
            while (late_s := time.monotonic() - said) < 0.3:
                out[SIZE - 8 :] = struct.pack("<d", late_s)
        os._exit(0)
    for _ in range(CALLS):
        answer = worker.call((1,), b"\x01", out_bytes=SIZE)
        (late_s,) = struct.unpack("<d", answer.output[-8:])
        assert math.isnan(late_s) or answer.wall_s >= late_s
        time.sleep(0.4)
    os.waitpid(child, 0)


def test_a_kind_is_timed_until_enough_is_together_and_its_fastest_call_counts():
    repeats = Repeats(at_least=2, until_s=1.0)
    for kind, times in (("a", (2.0, 0.5)), ("b", (0.125, 0.25, 0.25, 0.5))):
        for took in times:
            assert repeats.is_wanted(kind)
            repeats.took[kind].append(took)
        assert not repeats.is_wanted(kind)
    assert repeats.fastest() == pytest.approx((0.5 * 0.125) ** 0.5)


def test_a_worker_in_python_does_its_calls_and_leaves_with_the_harness(tmp_path, monkeypatch):
    place, seen = tmp_path / "s", []

    def double(words, given, out):
        seen.append(words[:2])
        out[:4] = bytes(2 * each for each in given[:4])
        return 0 if words[0] else 3

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(1)
        monkeypatch.setenv(SOCKET_VARIABLE, str(place))
        worker = threading.Thread(target=work, args=(double,))
        worker.start()
        link, _ = listener.accept()
    with link:
        harness = Worker(link, in_bytes=64, out_bytes=64)
        assert harness.call((1, 7), bytes([1, 2, 3, 4]), out_bytes=4).output == bytes([2, 4, 6, 8])
        with pytest.raises(InvalidArtifact, match="the worker answered 3"):
            harness.call((0, 8), bytes(4), out_bytes=4)
    worker.join(20)
    assert not worker.is_alive()
    assert seen == [(1, 7), (0, 8)]


def test_arrays_of_one_content_begin_at_a_boundary_and_come_back_as_they_were():
    parts = [b"a" * 3, b"", b"b" * 64, b"c" * 65]
    content = packed(parts)
    sizes = [len(each) for each in parts]
    assert len(content) == packed_size(sizes) == 64 + 0 + 64 + 128
    assert unpacked(content, sizes) == parts
    assert content.index(b"b") % BOUNDARY == content.index(b"c") % BOUNDARY == 0
