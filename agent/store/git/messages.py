"""Text of a lineage's commit messages: what untrusted text becomes in one, and the trailers below it.

Does not: read messages back (`rsi.agent.store.git.lineage` does).
"""

import re
from collections.abc import Mapping

from rsi.agent.errors import LineageNameError

_TRAILER_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|[\ud800-\udfff]")


def commit_message(message: str, trailers: Mapping[str, str]) -> str:
    """Commit message text; the last paragraph is always ours, whatever the message ends in."""
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", message).strip() or "(no message)"
    for key in trailers:
        if not _TRAILER_KEY.fullmatch(key):
            raise LineageNameError(f"{key!r} cannot be a trailer; use letters, digits and '-'")
    ours = "\n".join(f"{key}: {one_line(value)}" for key, value in trailers.items())
    return f"{text}\n\n{ours}\n"


def one_line(text: str) -> str:
    """At most 500 characters without line breaks and control characters."""
    return " ".join(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text).split())[:500]
