"""Frames and capped buffers hold whatever the other side sends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsi.sandboxes.errors import SandboxBrokenError
from rsi.sandboxes.inside.wire import FrameReader, OutputCap, Report, command_frames, frame

KINDS = st.sampled_from([b"O", b"S", b"F"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(KINDS, st.binary(max_size=300))), st.integers(1, 50))
def test_frames_survive_any_cutting(frames, step):
    stream = b"".join(frame(kind, payload) for kind, payload in frames)
    reader = FrameReader()
    got = [
        each for at in range(0, len(stream), step) for each in reader.feed(stream[at : at + step])
    ]
    assert got == frames


def test_a_frame_longer_than_a_supervisor_sends_is_refused_before_it_is_stored():
    with pytest.raises(SandboxBrokenError, match="bytes"):
        list(FrameReader().feed(b"O\xff\xff\xff\xff"))


@pytest.mark.parametrize("payload", [b"", b"1 2", b"a b c d e f", b"1 2 3 4 5 6 7"])
def test_a_malformed_report_is_ours_to_refuse(payload):
    with pytest.raises(SandboxBrokenError, match="malformed"):
        Report.parse(payload)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=400)), st.integers(1, 300))
def test_kept_output_is_the_whole_or_its_two_ends(chunks, limit):
    cap = OutputCap(limit)
    for chunk in chunks:
        cap.add(chunk)
    whole = b"".join(chunks)
    kept = cap.kept()
    assert len(kept) <= limit
    assert cap.is_truncated == (len(whole) > limit)
    if not cap.is_truncated:
        assert kept == whole
    else:
        assert kept == whole[: limit // 2] + whole[-(limit - limit // 2) :]


def test_a_long_stream_does_not_grow_the_buffer():
    cap = OutputCap(1000)
    for _ in range(200):
        cap.add(b"x" * 100_000)
    assert cap.is_flood
    assert len(cap._tail) < 1 << 20


def test_a_nul_byte_in_an_argument_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        list(command_frames(["a\0b"], cwd="/", environ={}, stdin=b"", deadline_s=1))
