"""Takes secrets out of text and JSON before it is stored or shown.

Known values first, in plain, base64 and URL form; then the shapes of well-known keys, for those that
nobody told us of. Does not: promise that an unknown secret of an unknown shape is found.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from typing import cast
from urllib.parse import quote

MASK = "[secret]"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)", re.IGNORECASE)
_NOT_SECRET_NAME = re.compile(r"(_COMMAND|_FILE|_PATH|_URL)$", re.IGNORECASE)
_SHORTEST_SECRET_CHARS = 8
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}"  # Anthropic, OpenAI and most of their imitators
    r"|AIza[0-9A-Za-z_-]{30,}"  # Google
    r"|AKIA[0-9A-Z]{16}"  # AWS key id
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"
    r"|hf_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}|gsk_[A-Za-z0-9]{30,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----",
    re.DOTALL,
)


class Redactor:
    """Replaces secrets by a mask."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET_CHARS:
                forms.update(_forms(secret))
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(re.escape(form) for form in ordered)) if ordered else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _SHAPES.sub(MASK, text)

    def json(self, value: object) -> object:
        """A JSON value with every string in it redacted, keys included."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self.json(item) for key, item in value.items()}
            case list() | tuple():
                return [self.json(item) for item in value]
            case _:
                return value


def redacting(
    sink: Callable[[str, str, Mapping[str, object]], None], redactor: Redactor
) -> Callable[[str, str, Mapping[str, object]], None]:
    """A sink that takes secrets out of every payload before it passes it on."""

    def pass_on(agent: str, kind: str, payload: Mapping[str, object]) -> None:
        cleaned = redactor.json(payload)
        sink(agent, kind, cast(Mapping[str, object], cleaned))

    return pass_on


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of environment variables whose names say that they are secret."""
    return tuple(
        value
        for name, value in environ.items()
        if _SECRET_NAME.search(name)
        and not _NOT_SECRET_NAME.search(name)
        and len(value) >= _SHORTEST_SECRET_CHARS
    )


def _forms(secret: str) -> set[str]:
    encoded = secret.encode()
    forms = {secret, quote(secret, safe=""), encoded.hex()}
    for shift in range(3):
        # The same bytes inside a longer base64 text start at one of three alignments.
        padded = base64.b64encode(b"\0" * shift + encoded).decode()
        first, last = (0, 2, 3)[shift], len(padded) - (4 if len(encoded) + shift else 0)
        if last - first >= _SHORTEST_SECRET_CHARS:
            forms.add(padded[first:last])
    return forms
