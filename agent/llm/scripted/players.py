"""What the scripted model does turn by turn: one player a role.

A player is a generator: it yields the blocks of a turn and receives the results of its calls. It works
from what the tools print, as any model would, so a patch is played even when the champion has moved.
Invariant: nothing is changed before all of a patch is known to fit; otherwise the round ends with what does not.
"""

import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from shlex import quote

from rsi.agent.llm.scripted.placing import (
    Action,
    Command,
    Edit,
    NotPlacedError,
    Texts,
    Write,
    is_lacking,
    place,
)
from rsi.agent.llm.scripted.script import Idea, ScriptedRound
from rsi.agent.llm.types import Block, Text, ToolCall, ToolResult

Player = Generator[tuple[Block, ...], tuple[ToolResult, ...], None]

_NUMBERED = re.compile(r"^ *(\d+)\t(.*)$", re.DOTALL)
_HEADER = re.compile(r", lines \d+-\d+ of (\d+)(, the last without a line feed)?(?:, .*)?$")
_EDITOR = "str_replace_based_edit_tool"
_REFUSED = " is protected: "
"""How a file tool says that a path may not be changed."""
_ABSENT = "there is no "
"""How the view tool's answer begins for a file that is not there."""


_START_OVER = "command -v git >/dev/null || exit 0; git checkout -q HEAD -- . && git clean -fdq"
"""Back to the version that the patch was made for; without git the files never left it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a player finds when its turn comes."""

    offered: frozenset[str]
    """Names of the tools."""
    is_sent_back: bool
    """Whether the version that was handed in before came back, and stands in the repository."""


class _CannotPlayError(Exception):
    """The patch cannot be played; the message is the reason that is given."""


def proposer(entry: ScriptedRound, setting: "Setting") -> Player:
    """Play one round's patches through the tools that are offered, then submit them; or say why not."""
    if entry.give_up is not None:
        yield (_call("give_up", reason=entry.give_up),)
    elif entry.idea is None:
        yield from _as_written(entry)
    else:
        try:
            yield from _propose(entry.idea, entry.instead, setting)
        except _CannotPlayError as error:
            yield (_call("give_up", reason=str(error)),)


def _propose(first: Idea, instead: Idea | None, setting: "Setting") -> Player:
    tools = _Tools(setting.offered)
    yield Text(text=_said(first)), tools.view(".")
    if setting.is_sent_back:
        _check((yield (tools.call(Command(line=_START_OVER)),)))
    ideas = (first,) if instead is None else (first, instead)
    patches = [patch for idea in ideas for patch in (*idea.patches, *idea.needs)]
    texts = yield from _look(
        (path for patch in patches for file in patch.files for path in file.paths), tools
    )
    possible = [idea for idea in ideas if _lacking(idea, texts) is None]
    lacks = f"{first.label} builds on {_lacking(first, texts)}, which this champion does not have"
    if not possible:
        raise _CannotPlayError(f"skipped: {lacks} (rejected, rolled back or not yet tried)")
    idea = possible[0]
    remark = "Done; handing over." if idea is first else f"{lacks}. {_said(idea)}"
    for actions in _plan(idea, texts):
        yield from _play(actions, texts, tools)
    if idea.measure:
        yield Text(text="The change is in place; one cheap run."), _call("measure")
    said = {"hypothesis": idea.hypothesis, "predicted_ratio": idea.predicted_ratio}
    submit = _call("submit", **said, risk=idea.risk, parts=list(idea.parts))
    yield Text(text=remark), submit
    yield Text(text="It is meant as it is."), submit  # a planted cheat has to reach the admission


def _lacking(idea: Idea, texts: Texts) -> str | None:
    """Name of a patch that the champion would have to have; None when it has all."""
    return next((need.name for need in idea.needs if is_lacking(need.files, texts)), None)


def _said(idea: Idea) -> str:
    return f"Idea: {idea.hypothesis} I expect {idea.predicted_ratio:g}x."


def _plan(idea: Idea, texts: Texts) -> list[tuple[Action, ...]]:
    try:
        return [actions for patch in idea.patches for actions in place(patch.files, texts)]
    except NotPlacedError as error:
        reason = f"the patch {idea.label} does not fit this champion: {error}"
        raise _CannotPlayError(reason) from error


def critic(entry: ScriptedRound, setting: "Setting") -> Player:
    """Say what the script says, or that nothing speaks against it."""
    said = entry.critique or {"stance": "go", "text": "Nothing in the notebook speaks against it."}
    yield (_call("critique", **said),)


def reviewer(entry: ScriptedRound, setting: "Setting") -> Player:
    """Report the findings of the script."""
    yield (_call("report", findings=[dict(finding) for finding in entry.findings]),)


def _as_written(entry: ScriptedRound) -> Player:
    for turn in entry.turns:
        blocks: list[Block] = [Text(text=turn.text)] if turn.text else []
        for name, arguments in turn.calls:
            if "_raw" in arguments:
                raw = str(arguments["_raw"])
                problem = "the arguments are not valid JSON."
                blocks.append(
                    ToolCall(id="", name=name, arguments={}, raw_arguments=raw, problem=problem)
                )
            else:
                blocks.append(_call(name, **arguments))
        yield tuple(blocks)


@dataclass(slots=True)
class _Page:
    """What is known of a file."""

    text: str = ""
    n_lines: int = 0
    is_whole: bool = False


def _play(actions: tuple[Action, ...], texts: Texts, tools: "_Tools") -> Player:
    """Do what a patch asks for in one file; what the tools refuse to change is written by a command, as a cheat would."""
    results = yield tuple(tools.call(action) for action in actions)
    refused = {
        action.path
        for action, result in zip(actions, results, strict=True)
        if result.is_error and not isinstance(action, Command) and _REFUSED in result.text
    }
    _check(
        result
        for action, result in zip(actions, results, strict=True)
        if isinstance(action, Command) or action.path not in refused
    )
    if refused:
        lines = (
            f"printf %s {quote(texts.get(path) or '')} > {quote(path)}" for path in sorted(refused)
        )
        _check((yield tuple(tools.call(Command(line=line)) for line in lines)))


def _look(
    paths: Iterable[str], tools: "_Tools"
) -> Generator[tuple[Block, ...], tuple[ToolResult, ...], dict[str, str | None]]:
    """Read whole files through the view tool, page by page, all of them side by side."""
    pages: dict[str, _Page | None] = {path: _Page() for path in paths}
    while left := {path: page for path, page in pages.items() if page and not page.is_whole}:
        calls = [tools.view(path, page.n_lines + 1) for path, page in left.items()]
        results = yield tuple(calls)
        for (path, page), answer in zip(left.items(), results, strict=True):
            if answer.is_error and answer.text.startswith(_ABSENT):
                pages[path] = None
            else:
                _read_on(page, path, answer)
    return {path: None if page is None else page.text for path, page in pages.items()}


def _read_on(page: _Page, path: str, answer: ToolResult) -> None:
    head, _, body = answer.text.partition("\n")
    if answer.is_error:
        raise _CannotPlayError(f"{path} cannot be read: {answer.text}")
    page.is_whole = head.endswith(": empty")
    if page.is_whole:
        return
    header = _HEADER.search(head)
    if "with long lines cut" in head:
        raise _CannotPlayError(f"{path} has lines that are too long to be shown whole")
    lines = [match[2] for row in body.split("\n") if (match := _NUMBERED.match(row))]
    if header is None or not lines:
        raise _CannotPlayError(f"{path} is not shown as a file")
    page.n_lines += len(lines)
    if "byte order mark" in head and not page.text:
        lines[0] = f"\ufeff{lines[0]}"
    end = "\r\n" if "with CRLF line ends" in head else "\n"
    page.text += "".join(f"{line}{end}" for line in lines)
    if page.n_lines >= int(header[1]):
        page.is_whole = True
        page.text = page.text.removesuffix(end) if header[2] else page.text


class _Tools:
    """The tools that are offered: those of today, or those of an older scaffold."""

    def __init__(self, offered: frozenset[str]) -> None:
        self._has_editor = _EDITOR in offered
        self._shell = "bash" if "bash" in offered else "shell"

    def view(self, path: str, first_line: int = 1) -> ToolCall:
        if not self._has_editor:
            more = {} if path == "." else {"first_line": first_line}
            return _call("view", path=path, **more)
        ranged = {} if path == "." else {"view_range": [first_line, -1]}
        return _call(_EDITOR, command="view", path=path, **ranged)

    def call(self, action: Action) -> ToolCall:
        match action:
            case Command():
                return _call(self._shell, command=action.line)
            case Edit() if self._has_editor:
                texts = {"old_str": action.old, "new_str": action.new}
                return _call(_EDITOR, command="str_replace", path=action.path, **texts)
            case Edit():
                return _call("edit", path=action.path, old=action.old, new=action.new)
            case Write() if self._has_editor:
                return _call(_EDITOR, command="create", path=action.path, file_text=action.content)
            case Write():
                return _call("write", path=action.path, content=action.content)


def _check(results: Iterable[ToolResult]) -> None:
    for result in results:
        if result.is_error or (result.text.startswith("exit code ") and not _is_exit_0(result)):
            raise _CannotPlayError(result.text)


def _is_exit_0(result: ToolResult) -> bool:
    return result.text.startswith("exit code 0,")


def _call(name: str, /, **arguments: object) -> ToolCall:
    return ToolCall(id="", name=name, arguments=arguments)
