"""What the scripted model does turn by turn: one player a role.

A player is a generator: it yields the blocks of a turn and receives the results of its calls. It works
from what the tools print, as any model would, so a patch is played even when the champion has moved.
"""

import re
import shlex
from collections.abc import Generator, Sequence

from rsi.agent.llm.scripted.diffs import FileDiff, Replacement, locate, parse_diff
from rsi.agent.llm.scripted.script import ScriptedRound
from rsi.agent.llm.types import Block, Text, ToolCall, ToolResult

Player = Generator[tuple[Block, ...], tuple[ToolResult, ...], None]

_NUMBERED = re.compile(r"^ *(\d+)\t(.*)$", re.DOTALL)
_HEADER = re.compile(r", lines (\d+)-(\d+) of (\d+)$")


class _CannotPlayError(Exception):
    """A tool's answer shows that the patch cannot be played."""


def proposer(entry: ScriptedRound) -> Player:
    """Play one round's patch through the tools, then submit it."""
    if entry.give_up is not None:
        yield (_call("give_up", reason=entry.give_up),)
        return
    if entry.turns:
        yield from _as_written(entry)
        return
    yield (
        Text(text=f"Idea: {entry.hypothesis} I expect {entry.predicted_ratio:g}x."),
        _call("view", path="."),
    )
    try:
        for diff in entry.diffs:
            for file in parse_diff(diff):
                yield from _play_file(file)
    except _CannotPlayError as error:
        reason = f"the patch {entry.label} does not fit this champion: {error}"
        yield (_call("give_up", reason=reason),)
        return
    if entry.measure:
        yield (Text(text="The change is in place; one cheap run."), _call("measure"))
    yield (
        Text(text="Done; handing over."),
        _call(
            "submit",
            hypothesis=entry.hypothesis,
            predicted_ratio=entry.predicted_ratio,
            risk=entry.risk,
            parts=list(entry.parts),
        ),
    )


def critic(entry: ScriptedRound) -> Player:
    """Say what the script says, or that nothing speaks against it."""
    said = entry.critique or {"stance": "go", "text": "Nothing in the notebook speaks against it."}
    yield (_call("critique", **said),)


def reviewer(entry: ScriptedRound) -> Player:
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


def _play_file(file: FileDiff) -> Player:
    old, new = file.old_path, file.new_path
    if new is None:
        if old is not None:
            yield from _checked(_call("shell", command=f"rm -- {shlex.quote(old)}"))
        return
    if old is None:
        content = "".join(f"{line}\n" for hunk in file.hunks for line in hunk.new)
        yield from _checked(_call("write", path=new, content=content))
        return
    if old != new:
        command = f"mkdir -p -- {shlex.quote(new.rpartition('/')[0] or '.')} && "
        command += f"mv -- {shlex.quote(old)} {shlex.quote(new)}"
        yield from _checked(_call("shell", command=command))
    if file.hunks:
        lines = yield from _view(new)
        yield from _checked(*_edits(file, new, lines))


def _edits(file: FileDiff, path: str, lines: Sequence[str]) -> list[ToolCall]:
    calls: list[ToolCall] = []
    drift = 0
    for hunk in file.hunks:
        change = locate(hunk, lines, drift=drift)
        if change is None:
            # Tried all the same: the tool's refusal is part of the record.
            change = Replacement(
                old="\n".join(hunk.old), new="\n".join(hunk.new), lines=tuple(lines)
            )
        calls.append(_call("edit", path=path, old=change.old, new=change.new))
        drift += len(change.lines) - len(lines)
        lines = change.lines
    return calls


def _view(path: str) -> Generator[tuple[Block, ...], tuple[ToolResult, ...], tuple[str, ...]]:
    """Read a whole file through the view tool, page by page."""
    lines: list[str] = []
    while True:
        results = yield (_call("view", path=path, first_line=len(lines) + 1),)
        answer = results[0]
        if answer.is_error:
            raise _CannotPlayError(answer.text)
        head, _, body = answer.text.partition("\n")
        page = [match[2] for row in body.split("\n") if (match := _NUMBERED.match(row))]
        lines.extend(page)
        match = _HEADER.search(head)
        if match is None or not page or len(lines) >= int(match[3]):
            return tuple(lines)


def _checked(*calls: ToolCall) -> Player:
    results = yield calls
    for result in results:
        if result.is_error or (result.text.startswith("exit code ") and not _is_exit_0(result)):
            raise _CannotPlayError(result.text)


def _is_exit_0(result: ToolResult) -> bool:
    return result.text.startswith("exit code 0,")


def _call(name: str, /, **arguments: object) -> ToolCall:
    return ToolCall(id="", name=name, arguments=arguments)
