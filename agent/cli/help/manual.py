"""The manual page `rsi.1`, in the man(7) macros, made of the verbs and of the topics of `rsi help`."""

import re
from collections.abc import Iterable, Sequence

from rsi.agent.cli.grammar import Verb
from rsi.agent.cli.help.topics import Kind, Part, Topic, parts


def manual(verbs: Sequence[Verb], topics: Iterable[Topic], *, version: str) -> str:
    """The whole page.

    Args:
        verbs: Of the command line.
        topics: In their order.
        version: Of the program.
    """
    lines = [
        f'.TH RSI 1 "" "rsi {_escaped(version)}" "User Commands"',
        ".SH NAME",
        r"rsi \- measured, reviewed, human\-gated improvement of small training repos",
        ".SH SYNOPSIS",
        ".B rsi",
        r"[\fIVERB\fR [\fIWORDS\fR]]",
        ".SH DESCRIPTION",
        "Without a verb the cockpit opens in the terminal.",
        r"\fBrsi VERB \-\-help\fR says what a verb takes, \fBrsi help TOPIC\fR shows a section of this page.",
        ".SH VERBS",
    ]
    for verb in verbs:
        lines += [".TP", f".B rsi {_escaped(verb.name)}", _sentence(verb.text)]
        lines += [f"{_bold(word.name)}: {_sentence(word.text)}" for word in verb.words]
    for each in topics:
        lines.append(f'.SH "{_escaped(each.name.upper())}"')
        lines.append(_sentence(each.title))
        for part in parts(each.body):
            lines += _part(part)
    return "\n".join([*lines, ""])


def _part(part: Part) -> list[str]:
    match part.kind:
        case Kind.CODE:
            return [".PP", ".in +4n", ".EX", *map(_line, part.text.split("\n")), ".EE", ".in"]
        case Kind.ITEM:
            return [r".IP \(bu 2", _marked(part.text)]
        case Kind.PARAGRAPH:
            return [".PP", _marked(part.text)]


def _sentence(text: str) -> str:
    return _line(f"{text[0].upper()}{text[1:]}.")


def _bold(text: str) -> str:
    return rf"\fB{_escaped(text)}\fR"


def _marked(text: str) -> str:
    """A paragraph whose `words` are bold."""
    pieces = re.split(r"`([^`]*)`", text)
    said = "".join(_bold(each) if at % 2 else _escaped(each) for at, each in enumerate(pieces))
    return _guarded(said)


def _line(text: str) -> str:
    return _guarded(_escaped(text))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-")


def _guarded(text: str) -> str:
    """A line that begins with "." or "'" would be taken for a request."""
    return rf"\&{text}" if text.startswith((".", "'")) else text
