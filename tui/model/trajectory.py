"""One agent's steps as lines: a headline for the list, the whole of it for reading, the code as of it.

Payloads are untrusted and of any version: what is not understood is shown as JSON, never dropped.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rsi.agent.store.records import AgentRole, Json, TrajectoryEvent, TrajectoryKind
from rsi.tasks.files.diffs import compare_files, compare_texts, render
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, Span, line, paragraphs
from rsi.tui.model import payloads
from rsi.tui.model.diffs import colour_lines, shown_lines

HEADLINE_CHARACTERS = 160
EDIT_TOOLS = frozenset({"edit", "write"})
"""Tools of older scaffolds that change files; a shell command may as well, and says so where code is reconstructed."""
EDITOR = "str_replace_based_edit_tool"
EDIT_COMMANDS = frozenset({"create", "str_replace", "insert"})
"""What the editor does besides showing files."""
SHELL_TOOLS = frozenset({"shell", "bash"})
RUN_TOOLS = frozenset({"measure"})
_FENCE = re.compile(r"</?data-[0-9a-f]+[^>\n]*>")


class Group(StrEnum):
    """What the filters and jumps tell apart."""

    MODEL = "model"
    THINKING = "thinking"
    TOOL = "tool"
    EDIT = "edit"
    MEASURE = "measure"
    TOLD = "told"
    NOTE = "note"


SIGNS: Mapping[Group, tuple[str, Role]] = {
    Group.MODEL: ("◆ model", Role.ACCENT),
    Group.THINKING: ("… think", Role.DIM),
    Group.TOOL: ("$ tool", Role.TEXT),
    Group.EDIT: ("± edit", Role.GOOD),
    Group.MEASURE: ("◷ run", Role.WARN),
    Group.TOLD: ("▸ told", Role.NOTE),
    Group.NOTE: ("· note", Role.DIM),
}


@dataclass(frozen=True, slots=True)
class Headline:
    """One event in a list; small, because there may be a hundred thousand of them."""

    seq: int
    agent: AgentRole
    group: Group
    is_error: bool
    text: str
    at: datetime


def headline(event: TrajectoryEvent) -> Headline:
    """The headline of an event."""
    return Headline(
        event.seq,
        event.agent,
        group_of(event),
        is_error(event),
        _one_line(event),
        event.at,
    )


def group_of(event: TrajectoryEvent) -> Group:
    """Which filter an event belongs to."""
    match event.kind:
        case TrajectoryKind.MODEL:
            return Group.MODEL
        case TrajectoryKind.THINKING:
            return Group.THINKING
        case TrajectoryKind.TOOL_CALL | TrajectoryKind.TOOL_RESULT:
            name = payloads.text_of(event.payload, "name", "tool")
            if changes_files(event.payload, name):
                return Group.EDIT
            return Group.MEASURE if name in RUN_TOOLS else Group.TOOL
        case TrajectoryKind.SYSTEM | TrajectoryKind.USER:
            return Group.TOLD
        case TrajectoryKind.NOTE | TrajectoryKind.ERROR | TrajectoryKind.END:
            return Group.NOTE


def changes_files(payload: Json, name: str) -> bool:
    """Whether a tool call is one that changes files."""
    command = payloads.text_of(payloads.mapping_of(payload, "arguments"), "command")
    return name in EDIT_TOOLS or (name == EDITOR and command in EDIT_COMMANDS)


def is_error(event: TrajectoryEvent) -> bool:
    """Whether something went wrong in it."""
    return event.kind is TrajectoryKind.ERROR or event.payload.get("is_error") is True


def searchable(event: TrajectoryEvent) -> str:
    """All text of an event, in lower case."""
    return json.dumps(event.payload, ensure_ascii=False).lower()


def _one_line(event: TrajectoryEvent) -> str:
    payload = event.payload
    match event.kind:
        case TrajectoryKind.MODEL:
            text = " ".join(payloads.texts_of(payload, "texts")).strip() or _block_text(payload)
        case TrajectoryKind.TOOL_CALL:
            text = _call_text(payload)
        case TrajectoryKind.TOOL_RESULT:
            text = f"→ {_without_fence(payloads.text_of(payload, 'text')) or payload.get('facts') or ''}"
        case TrajectoryKind.SYSTEM:
            text = f"system prompt, {payloads.text_of(payload, 'model')}"
        case _:
            text = payloads.text_of(payload, "text", "reason", "error", "outcome", "note") or _json(
                payload
            )
    return " ".join(text[: HEADLINE_CHARACTERS * 2].split())[:HEADLINE_CHARACTERS]


def _block_text(payload: Json) -> str:
    blocks = payloads.list_of(payload, "blocks")
    parts = [payloads.text_of(each, "text", "name") for each in blocks if isinstance(each, Mapping)]
    text = " ".join(parts) or payloads.text_of(payload, "text")
    calls = list(payloads.list_of(payload, "layout")).count("tool_call")
    return text or f"calls {calls} {'tool' if calls == 1 else 'tools'}"


def _without_fence(text: str) -> str:
    """A tool's answer without the marks that fence untrusted text off for the model."""
    return _FENCE.sub(" ", text[: HEADLINE_CHARACTERS * 4])


def _call_text(payload: Json) -> str:
    arguments = payloads.mapping_of(payload, "arguments")
    name = payloads.text_of(payload, "name")
    if "command" in arguments:
        return f"$ {arguments['command']}"
    shown = payloads.text_of(arguments, "path", "query", "hypothesis", "reason")
    return f"{name} {shown}" if shown else name


# --- the whole of it ---------------------------------------------------------------------


def event_lines(event: TrajectoryEvent) -> list[Line]:
    """Everything that an event says."""
    payload = event.payload
    match event.kind:
        case TrajectoryKind.MODEL:
            return _model_lines(payload)
        case TrajectoryKind.TOOL_CALL:
            return _call_lines(payload)
        case TrajectoryKind.TOOL_RESULT:
            role = Role.BAD if payload.get("is_error") is True else Role.TEXT
            return [*paragraphs(payloads.text_of(payload, "text"), role), *_rest(payload, "text")]
        case TrajectoryKind.THINKING | TrajectoryKind.USER:
            role = Role.DIM if event.kind is TrajectoryKind.THINKING else Role.TEXT
            return [
                *paragraphs(payloads.text_of(payload, "text"), role),
                *_rest(payload, "text", "payload"),
            ]
        case TrajectoryKind.SYSTEM:
            return [
                *_rest(payload, "system", "tools"),
                EMPTY_LINE,
                *paragraphs(payloads.text_of(payload, "system")),
            ]
        case _:
            return _rest(payload)


def _model_lines(payload: Json) -> list[Line]:
    lines: list[Line] = []
    for text in payloads.texts_of(payload, "texts"):
        lines += [*paragraphs(text), EMPTY_LINE]
    for block in payloads.list_of(payload, "blocks"):
        if not isinstance(block, Mapping):
            continue
        if block.get("type") == "tool_call":
            lines += _call_lines(block)
        else:
            role = Role.DIM if block.get("type") == "reasoning" else Role.TEXT
            lines += paragraphs(payloads.text_of(block, "text"), role)
        lines.append(EMPTY_LINE)
    return lines + _rest(payload, "texts", "blocks", "layout")


def _call_lines(payload: Json) -> list[Line]:
    name, arguments = payloads.text_of(payload, "name"), payloads.mapping_of(payload, "arguments")
    lines: list[Line] = [line(name, Role.TITLE)]
    path = payloads.text_of(arguments, "path")
    shown = {"path"}
    if path:
        lines.append((("path  ", Role.DIM), (path, Role.ACCENT)))
    if "old" in arguments and "new" in arguments:
        shown |= {"old", "new"}
        lines += _edit_lines(path, str(arguments["old"]), str(arguments["new"]))
    elif "content" in arguments:
        shown.add("content")
        lines += _code_lines(path, str(arguments["content"]))
    elif "command" in arguments:
        shown.add("command")
        lines += [
            (("$ ", Role.KEY), (part, Role.STRONG))
            for part in str(arguments["command"]).split("\n")
        ]
    rest = {key: value for key, value in arguments.items() if key not in shown}
    return [*lines, *_rest(rest), *_rest(payload, "name", "arguments", "type", "id")]


def _edit_lines(path: str, old: str, new: str) -> list[Line]:
    lines: list[Line] = []
    for hunk in compare_texts(path, _ended(old), _ended(new)).hunks:
        shown = shown_lines(hunk)
        texts = tuple(each.text for each in shown)
        for each, spans in zip(shown, colour_lines(path, texts), strict=True):
            sign = {"+": Role.ADDED_SIGN, "-": Role.REMOVED_SIGN}.get(each.sign, Role.DIM)
            lines.append(((f"{each.sign} ", sign), *spans))
    return lines


def _ended(passage: str) -> str:
    """A passage out of the middle of a file, with the end of its last line."""
    return passage if not passage or passage.endswith("\n") else f"{passage}\n"


def _code_lines(path: str, content: str) -> list[Line]:
    texts = tuple(content.split("\n"))
    return [
        ((f"{number:>5}  ", Role.DIM), *spans)
        for number, spans in enumerate(colour_lines(path, texts), start=1)
    ]


def _rest(payload: Json, *without: str) -> list[Line]:
    """What else a payload holds, a line per key; long texts below their key."""
    lines: list[Line] = []
    for key, value in payload.items():
        if key in without or value is None or value in ("", [], {}):
            continue
        if isinstance(value, str) and ("\n" in value or len(value) > 200):
            lines.append(line(key, Role.DIM))
            lines += [(("  ", Role.DIM), (part, Role.TEXT)) for part in value.split("\n")]
        else:
            text = value if isinstance(value, str) else _json(value)
            spans: tuple[Span, ...] = ((f"{key}  ", Role.DIM), (text, Role.TEXT))
            lines.append(spans)
    return lines


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


# --- the code as of a step ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeAsOf:
    """The files after some steps."""

    before: Mapping[str, str]
    """Files of the commit that the agent started from; empty when its repository is not here."""
    after: Mapping[str, str]
    edits: int
    shell_commands: int
    """Shell commands up to here: they may have changed files, which cannot be seen."""

    @property
    def diff_text(self) -> str:
        """What the edits so far changed."""
        return render(compare_files(self.before, self.after))


def code_as_of(
    before: Mapping[str, str], events: Iterable[TrajectoryEvent], last_seq: int
) -> CodeAsOf:
    """Apply the edits up to and with one event to the files that the agent started from.

    Args:
        before: Text by path.
        events: The agent's events in order.
        last_seq: Number of the last event that counts.
    """
    after = dict(before)
    failed = failed_calls(events := tuple(events))
    edits = shells = 0
    for event in events:
        if event.seq > last_seq:
            break
        if event.kind is not TrajectoryKind.TOOL_CALL or event.payload.get("id") in failed:
            continue
        name = payloads.text_of(event.payload, "name")
        arguments = payloads.mapping_of(event.payload, "arguments")
        if name in SHELL_TOOLS:
            shells += 1
        elif changes_files(event.payload, name):
            edits += _apply(after, name, arguments)
    return CodeAsOf(before=before, after=after, edits=edits, shell_commands=shells)


def failed_calls(events: Sequence[TrajectoryEvent]) -> frozenset[object]:
    """Ids of tool calls that were answered with an error."""
    return frozenset(
        event.payload.get("call_id")
        for event in events
        if event.kind is TrajectoryKind.TOOL_RESULT and event.payload.get("is_error") is True
    )


def _apply(files: dict[str, str], name: str, arguments: Json) -> int:
    path = payloads.text_of(arguments, "path").removeprefix("/work/repo/").removeprefix("./")
    if path.startswith("/"):
        return 0  # the agent's scratch folder, which is no part of the code
    command = arguments.get("command")
    if name == "write" or command == "create":
        files[path] = str(arguments.get("content", arguments.get("file_text", "")))
        return 1
    text = files.get(path)
    if command == "insert":
        lines = (text or "").splitlines(keepends=True)
        added = str(arguments.get("insert_text", arguments.get("new_str", ""))).removesuffix("\n")
        asked = arguments.get("insert_line")
        at = asked if isinstance(asked, int) else 0
        files[path] = "".join((*lines[:at], f"{added}\n", *lines[at:]))
        return 1
    old = str(arguments.get("old", arguments.get("old_str", "")))
    new = str(arguments.get("new", arguments.get("new_str", "")))
    if text is None:
        # Without the starting files, what was replaced is at least shown in place of the whole.
        files[path] = new
        return 1
    if old and old in text:
        limit = -1 if arguments.get("everywhere") is True else 1
        files[path] = text.replace(old, new, limit)
        return 1
    return 0
