"""Frames between harness and candidate: what crosses is the same, and nothing else than a frame is taken for one."""

import random
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.tasks.harness_kit.frames import (
    ITEM_BYTES,
    Array,
    Frame,
    FrameError,
    pack,
    receive,
    send,
)

heads = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key != "arrays"),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20)
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4),
        max_leaves=6,
    ),
    max_size=4,
)  # fmt: skip
arrays = st.builds(
    lambda dtype, shape, byte: Array(
        dtype=dtype, shape=tuple(shape), content=bytes([byte]) * _size(dtype, shape)
    ),
    st.sampled_from(sorted(ITEM_BYTES)),
    st.lists(st.integers(0, 5), max_size=3),
    st.integers(0, 255),
)


def _size(dtype, shape):
    size = ITEM_BYTES[dtype]
    for length in shape:
        size *= length
    return size


def received(content: bytes, **limits: int) -> Frame | None:
    """What the other end makes of these bytes, sent at once and followed by nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        sender = threading.Thread(target=_send_all, args=(theirs, content))
        sender.start()
        try:
            return receive(ours, **limits)
        finally:
            ours.close()
            sender.join()


def _send_all(link: socket.socket, content: bytes) -> None:
    try:
        link.sendall(content)
        link.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@given(head=heads, values=st.lists(arrays, max_size=3))
def test_a_frame_comes_back_as_it_was(head, values):
    frame = Frame(head=head, arrays=tuple(values))
    assert received(pack(frame)) == frame


def test_frames_follow_each_other_and_the_end_is_no_frame():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for number in range(3):
            send(theirs, Frame(head={"n": number}))
        theirs.close()
        assert [frame.head["n"] for frame in iter(lambda: receive(ours), None)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\x00", "ended"),
        (b"\xff\xff\xff\xff", "a head of"),
        (b"\x00\x00\x00\x02[]", "not a JSON object"),
        (b'\x00\x00\x00\x09{"a":NaN}', "not a number"),
        (b'\x00\x00\x00\x0d{"a":1,"a":2}', "twice"),
        (b'\x00\x00\x00\x17{"arrays":[["o8",[1]]]}', "allowed are"),
        (b'\x00\x00\x00\x18{"arrays":[["f8",[-1]]]}', "whole number"),
    ],
)
def test_what_is_no_frame_is_refused_in_words(content, words):
    with pytest.raises(FrameError, match=words):
        received(content)


def test_an_array_that_is_too_large_is_refused_before_it_is_read():
    head = b'{"arrays":[["f8",[60000000,60000000,60000000]]]}'
    with pytest.raises(FrameError, match="are allowed"):
        received(len(head).to_bytes(4, "big") + head)


def mutated(rng: random.Random, content: bytes) -> bytes:
    """A frame after one to three accidents."""
    broken = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(broken) + 1)
        match rng.randrange(4):
            case 0 if broken:
                broken[at % len(broken)] = rng.randrange(256)
            case 1:
                del broken[at : at + rng.randrange(1, 9)]
            case 2:
                broken[at:at] = rng.randbytes(rng.randrange(1, 9))
            case _:
                broken[at:at] = bytes(broken[: rng.randrange(1, 20)])
    return bytes(broken)


def check_mutations(count: int, seed: int) -> None:
    rng = random.Random(seed)
    whole = pack(
        Frame(
            head={"call": "update", "ids": [1, 2, 3], "rate": 0.25, "name": "zé"},
            arrays=(Array(dtype="f4", shape=(2, 3), content=bytes(24)),),
        )
    )
    outcomes = {"frame": 0, "refused": 0, "end": 0}
    for _ in range(count):
        try:
            frame = received(mutated(rng, whole), max_bytes=4096)
        except FrameError:
            outcomes["refused"] += 1
        else:
            outcomes["end" if frame is None else "frame"] += 1
    assert outcomes["frame"] > 0, outcomes
    assert outcomes["refused"] > count // 4, outcomes


def test_a_broken_frame_is_a_frame_or_refused():
    check_mutations(400, seed=1)


@pytest.mark.slow
def test_ten_thousand_broken_frames_are_frames_or_refused():
    check_mutations(10_000, seed=2)
