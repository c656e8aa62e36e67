"""How a content stands in a row: whole, or as its digest where an object store has it."""

import json
from dataclasses import dataclass

from rsi.agent.errors import LedgerUnavailableError
from rsi.agent.store.home import ARTIFACTS_VARIABLE
from rsi.agent.store.objects.artifacts import OVER_BYTES, ArtifactStore

MARK = bytes.fromhex("9d1f6a52c7e04b8f8e3ab1d05c2476f3")
"""Begins a row that is not its content; what begins so by itself is stored behind it."""
WHOLE, ELSEWHERE = b"=", b"@"
TEXT_MARK = '{"artifact":'
"""How a text that is elsewhere begins; no fact has such a field first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What an object store has of the ledger's."""

    sha256: str
    size_bytes: int


def stored(content: bytes, store: ArtifactStore | None) -> bytes:
    """What a row gets of some bytes; large ones are in the object store then."""
    if store is not None and len(content) > OVER_BYTES:
        return MARK + ELSEWHERE + f"{store.put(content)} {len(content)}".encode("ascii")
    return MARK + WHOLE + content if content.startswith(MARK) else content


def content_of(row: bytes, store: ArtifactStore | None) -> bytes:
    """The bytes that a row stands for."""
    if not row.startswith(MARK):
        return row
    artifact = artifact_of(row)
    return row[len(MARK) + 1 :] if artifact is None else _got(artifact, store)


def artifact_of(row: bytes) -> Artifact | None:
    """What a row names in the object store; None when it has its content itself."""
    if not row.startswith(MARK + ELSEWHERE):
        return None
    sha256, _, size = row[len(MARK) + 1 :].decode("ascii").partition(" ")
    return Artifact(sha256=sha256, size_bytes=int(size))


def stored_text(body: str, at: str, store: ArtifactStore | None) -> str:
    """What a row gets of an event's text; a large one is in the object store then.

    Args:
        body: The event as JSON.
        at: When it was, which is asked for more often than the whole.
        store: None keeps everything in the row.
    """
    content = body.encode("utf-8")
    if store is None or len(content) <= OVER_BYTES:
        return body
    said = {"artifact": store.put(content), "at": at, "size": len(content)}
    return json.dumps(said, separators=(",", ":"))


def text_of(body: str, store: ArtifactStore | None) -> str:
    """The text that a row stands for."""
    artifact = artifact_of_text(body)
    return body if artifact is None else _got(artifact, store).decode("utf-8")


def artifact_of_text(body: str) -> Artifact | None:
    """What an event's row names in the object store; None when it has its text itself."""
    if not body.startswith(TEXT_MARK):
        return None
    said = json.loads(body)
    return Artifact(sha256=str(said["artifact"]), size_bytes=int(said["size"]))


def at_of_text(body: str) -> str:
    """When an event was, whether its text is here or not."""
    return str(json.loads(body)["at"])


def _got(artifact: Artifact, store: ArtifactStore | None) -> bytes:
    if store is None:
        raise LedgerUnavailableError(
            f"the ledger keeps this content ({artifact.size_bytes} bytes) in an object store; set {ARTIFACTS_VARIABLE} to the "
            "URL that it was written with"
        )
    return store.get(artifact.sha256, artifact.size_bytes)
