"""Topics of `rsi help`: short texts in a little Markdown (paragraphs, lists, indented code), from files and from tables.

Invariant: each topic is written once; terminal, manual page and documentation show the same.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rsi.agent.cli.help.tables import ENVIRONMENT, EXIT_CODES

FOLDER = Path(__file__).parent / "topics"
NAMES = (
    "getting-started", "try", "tasks", "models", "budgets", "evidence", "gate", "autonomy", "keys", "sandbox", "team",
    "environment", "exit-codes",
)  # fmt: skip
"""In the order of the list and of the manual."""
MADE = ("environment", "exit-codes")
"""Those that are made of a table."""
CODE_INDENT = "    "


class Kind(StrEnum):
    """What a part of a topic is."""

    PARAGRAPH = "paragraph"
    ITEM = "item"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A paragraph, one item of a list, or lines of code."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One page of help."""

    name: str
    title: str
    """What it is about, without a capital and a full stop."""
    body: str


def topic(name: str) -> Topic:
    """One of `NAMES`."""
    if name == "environment":
        rows = [f"- `{variable}`: {meaning}." for variable, meaning in ENVIRONMENT]
        return Topic(name=name, title="variables that rsi reads", body="\n".join(rows))
    if name == "exit-codes":
        rows = [f"- `{code}`: {meaning}." for code, meaning in EXIT_CODES]
        return Topic(name=name, title="what a script may rely on", body="\n".join(rows))
    head, _, body = (FOLDER / f"{name}.md").read_text(encoding="utf-8").partition("\n")
    return Topic(name=name, title=head.removeprefix("# "), body=body.strip("\n"))


def parts(body: str) -> Iterator[Part]:
    """A topic's text in its parts."""
    for block in body.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if all(each.startswith(CODE_INDENT) for each in lines):
            code = "\n".join(each.removeprefix(CODE_INDENT) for each in lines)
            yield Part(kind=Kind.CODE, text=code)
        elif lines[0].startswith("- "):
            for item in "\n".join(lines).removeprefix("- ").split("\n- "):
                yield Part(kind=Kind.ITEM, text=" ".join(item.split()))
        else:
            yield Part(kind=Kind.PARAGRAPH, text=" ".join(block.split()))


def as_text(found: Topic, width: int) -> str:
    """A topic for a terminal.

    Args:
        found: What to show.
        width: Columns of the terminal; code is never broken.
    """
    lines = [f"{found.name}: {found.title}"]
    before: Kind | None = None
    for each in parts(found.body):
        if not (each.kind is Kind.ITEM and before is Kind.ITEM):
            lines.append("")
        match each.kind:
            case Kind.CODE:
                lines.append(textwrap.indent(each.text, CODE_INDENT))
            case Kind.ITEM:
                lines.append(
                    textwrap.fill(each.text, width, initial_indent="- ", subsequent_indent="  ")
                )
            case Kind.PARAGRAPH:
                lines.append(textwrap.fill(each.text, width, break_on_hyphens=False))
        before = each.kind
    return "\n".join(lines)


def as_markdown(found: Topic) -> str:
    """A topic as a section of the documentation."""
    return f"## {found.name}\n\n{found.title[0].upper()}{found.title[1:]}.\n\n{found.body}\n"
