"""Quill text to tokens."""

import re
from dataclasses import dataclass

WORDS = {"let", "if", "else", "print", "input", "while"}
TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<pragma>\#[^\n]*)|(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<mark>=>|\.\.|<=|>=|==|!=|[-+*/%&^|<>=!(){}\[\],;])"
)


class QuillError(ValueError):
    """The text is not a program that this compiler knows."""


@dataclass(frozen=True)
class Token:
    """One word of a program."""

    kind: str
    """"number", "name", "word", "mark" or "end"."""
    text: str


def tokens_of(source: str) -> list[Token]:
    """The words of a program, pragmas left out."""
    found, at = [], 0
    while at < len(source):
        match = TOKEN.match(source, at)
        if match is None:
            raise QuillError(f"unexpected {source[at]!r}")
        at = match.end()
        kind, text = match.lastgroup or "", match.group()
        if kind in {"space", "pragma"}:
            continue
        if kind == "name" and (text in WORDS or text == "_"):
            kind = "word"
        found.append(Token(kind, text))
    return [*found, Token("end", "")]
