"""Reads a trajectory file of any form that is known, and names what a file is that has none.

Invariant: NaN and infinities are refused, a byte order mark is not; a file is read whole or not at all.
"""

from collections.abc import Mapping
from pathlib import Path

from rsi.agent.trajectory.atif import from_document, is_atif
from rsi.agent.trajectory.inspect_read import from_inspect, is_inspect, unpacked
from rsi.agent.trajectory.mini_swe import from_mini_swe, is_mini_swe
from rsi.agent.trajectory.recorded import Recording, RecordingError
from rsi.tasks.harness_kit.canonical import parse_json

READABLE = "ATIF 1.x, Inspect logs (.json and .eval) and mini-swe-agent trajectories"
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""How a file that begins so is encoded: editors and shells write these marks."""
_KINDS = (
    ({"trajectory", "info"}, "a trajectory of SWE-agent"),
    ({"history", "trajectory"}, "a trajectory of SWE-agent"),
    ({"messages"}, "a chat, without what its tools are and cost"),
    ({"choices"}, "one answer of a chat API"),
    ({"resourceSpans"}, "OpenTelemetry spans"),
)
"""What an object with these keys is."""


def read_trajectory(path: Path, *, sample: str | None = None) -> Recording:
    """The recording in a file.

    Args:
        path: The file.
        sample: Which of an Inspect log's samples; None where there is one.

    Raises:
        RecordingError: It cannot be read, or holds nothing that this reads; the message says what it is.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
    try:
        return _recording(_document(content), path, sample)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise RecordingError(f"{path} breaks the format that it says it has: {error!r}") from error


def _recording(document: object, path: Path, sample: str | None) -> Recording:
    if isinstance(document, Mapping):
        if is_inspect(document):
            return from_inspect(document, sample=sample)
        if sample is not None:
            raise RecordingError("--sample goes with an Inspect log, which this is not")
        if is_atif(document):
            return from_document(document)
        if is_mini_swe(document):
            return from_mini_swe(document, name=path.name.partition(".")[0])
    raise RecordingError(f"this is {_kind(document)}; what can be read is {READABLE}")


def _document(content: bytes) -> object:
    """What a file holds."""
    if content.startswith(_ZIP):
        return unpacked(content)
    if content.startswith(_GZIP):
        raise RecordingError("this is packed with gzip; unpack it first")
    codec = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    try:
        plain = content if codec is None else content.decode(codec).encode()
        return parse_json(plain)
    except ValueError as error:
        raise RecordingError(f"this is {_text_kind(content)}: {error}") from error


def _text_kind(content: bytes) -> str:
    head = content.lstrip()[:1]
    first, *rest = content.strip().splitlines() or [b""]
    if head == b"{" and rest:
        try:
            parse_json(first)
        except ValueError:
            pass
        else:
            return f"a file of JSON lines and no trajectory (what can be read is {READABLE})"
    if head == b"<":
        return "a page in HTML or XML"
    return "no JSON" if head not in (b"{", b"[") else "no JSON that can be read"


def _kind(document: object) -> str:
    if isinstance(document, Mapping):
        known = (what for keys, what in _KINDS if keys <= set(document))
        shown = ", ".join(sorted(map(str, document))[:6])
        return next(known, f"a JSON object with the keys {shown or '(none)'}")
    if isinstance(document, list):
        first = document[0] if document else None
        if isinstance(first, Mapping) and "role" in first:
            return "a list of chat messages"
        if isinstance(first, Mapping) and {"action", "observation"} & set(first):
            return "a list of events as OpenHands writes them"
        return f"a JSON list of {len(document)}"
    return "a single JSON value"
