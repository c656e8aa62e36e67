"""The proposer's file tools: look at files and change them, with what the admission will say about it.

The editor tool has the name and the argument shapes that models are widely trained on; `view`, `edit` and `write` are
the same work under the names that older scaffolds use.
"""

from collections.abc import Sequence

from rsi.agent.llm.fence import fence
from rsi.agent.roles.proposer.workbench.bench import Answer, Arguments, Bench, with_shown
from rsi.agent.roles.proposer.workbench.edits import EditError, occurrences
from rsi.agent.roles.proposer.workbench.texts import file_text, lines_of
from rsi.agent.roles.proposer.workbench.workspace import (
    RepoFile,
    WorkspaceError,
    is_repo,
    shown_path,
)
from rsi.agent.store.codec import value_of
from rsi.sandboxes.errors import FileTreeError

EDITOR = "str_replace_based_edit_tool"
EDITOR_COMMANDS = ("view", "create", "str_replace", "insert")
MAX_LINE_CHARS = 4000
"""A longer line is shown in part; what is left out can be read with the shell."""
MAX_VIEW_CHARS = 40_000


def editor(bench: Bench, arguments: Arguments) -> Answer:
    """View, create or change a file, by the command that is named."""
    command, path = str(arguments["command"]), str(arguments["path"])
    needed = {"create": ("file_text",), "str_replace": ("old_str",), "insert": ("insert_line",)}
    if absent := [name for name in needed.get(command, ()) if name not in arguments]:
        return Answer(text=f"The command {command!r} needs {absent[0]!r}.", is_error=True)
    match command:
        case "view":
            return _view(bench, path, _range(arguments.get("view_range")))
        case "create":
            return _write(bench, path, str(arguments["file_text"]))
        case "str_replace":
            return _replace(
                bench, path, str(arguments["old_str"]), str(arguments.get("new_str", ""))
            )
        case _:
            text = arguments.get("insert_text", arguments.get("new_str"))
            if text is None:
                return Answer(text="The command 'insert' needs 'insert_text'.", is_error=True)
            return _insert(bench, path, value_of(int, arguments["insert_line"]), str(text))


def view(bench: Bench, arguments: Arguments) -> Answer:
    """Lines of a file with numbers, or the files of a folder."""
    first = value_of(int, arguments.get("first_line", 1))
    last = arguments.get("last_line")
    return _view(
        bench, str(arguments["path"]), (first, None if last is None else value_of(int, last))
    )


def edit(bench: Bench, arguments: Arguments) -> Answer:
    """Replace an exact piece of a file."""
    path, old, new = (str(arguments[name]) for name in ("path", "old", "new"))
    return _replace(bench, path, old, new, everywhere=bool(arguments.get("everywhere", False)))


def write(bench: Bench, arguments: Arguments) -> Answer:
    """Create or replace a whole file."""
    return _write(bench, str(arguments["path"]), str(arguments["content"]))


def _range(asked: object) -> tuple[int, int | None]:
    if not isinstance(asked, Sequence) or isinstance(asked, str) or not asked:
        return 1, None
    first, last = value_of(int, asked[0]), value_of(int, asked[1]) if len(asked) > 1 else -1
    return first, None if last < 0 else last


def _view(bench: Bench, path: str, wanted: tuple[int, int | None]) -> Answer:
    found = bench.workspace.look(path)
    if isinstance(found, str):
        return Answer(text=fence(found, source="view"))
    content = file_text(found.text)
    lines = lines_of(content.shown)
    first = max(1, wanted[0])
    if lines and first > len(lines):
        return Answer(text=f"{path} has only {len(lines)} lines.", is_error=True)
    if not lines:
        return Answer(text=f"{path}: empty\n{fence('', source='view')}")
    last = min(len(lines), len(lines) if wanted[1] is None else wanted[1])
    last = min(last, first + bench.limits.view_lines - 1)
    rows, is_cut = _rows(lines, first, last)
    last = first + len(rows) - 1
    where = f"{found.path}, lines {first}-{last} of {len(lines)}"
    if last == len(lines) and not content.raw.endswith("\n"):
        where += ", the last without a line feed"
    where += content.remarks + (", with long lines cut" if is_cut else "")
    return Answer(text=f"{where}\n{fence(chr(10).join(rows), source='view')}")


def _rows(lines: Sequence[str], first: int, last: int) -> tuple[list[str], bool]:
    """Numbered lines, as many as may be shown at once, and whether one of them was cut."""
    rows: list[str] = []
    left, is_cut = MAX_VIEW_CHARS, False
    for number in range(first, last + 1):
        line = lines[number - 1]
        if len(line) > MAX_LINE_CHARS:
            line, is_cut = f"{line[:MAX_LINE_CHARS]} [cut: {len(line)} characters in all]", True
        if rows and len(line) > left:
            break
        rows.append(f"{number:6}\t{line}")
        left -= len(line)
    return rows, is_cut


def _replace(bench: Bench, path: str, old: str, new: str, *, everywhere: bool = False) -> Answer:
    if refused := _refused(bench, path):
        return refused
    file = bench.workspace.read(path)
    content = file_text(file.text)
    try:
        changed = content.replaced(old, new, everywhere=everywhere)
    except EditError as error:
        text = with_shown(f"{path} was not changed. {error}", error.shown)
        return Answer(text=text, is_error=True)
    places = occurrences(content.shown, old) or [1]
    where = ", ".join(str(line) for line in places[:20])
    return _changed(bench, file, changed, f"{file.path} was changed at line {where}.")


def _insert(bench: Bench, path: str, after_line: int, text: str) -> Answer:
    if refused := _refused(bench, path):
        return refused
    file = bench.workspace.read(path)
    content = file_text(file.text)
    count = len(lines_of(content.shown))
    if not 0 <= after_line <= count:
        return Answer(text=f"{path} has {count} lines; insert_line is 0 to {count}.", is_error=True)
    changed = content.inserted(after_line, text)
    return _changed(bench, file, changed, f"{file.path} was changed after line {after_line}.")


def _write(bench: Bench, path: str, text: str) -> Answer:
    if refused := _refused(bench, path):
        return refused
    try:
        found = bench.workspace.look(path)
    except WorkspaceError:
        found = None
    if isinstance(found, str):
        return Answer(text=f"{path} is a folder; give the path of a file.", is_error=True)
    before = found or RepoFile(path=shown_path(path), text="", is_executable=False)
    verb = "created" if found is None else "replaced"
    said = f"{before.path} was {verb}: {len(text.splitlines())} lines."
    return _changed(bench, before, text, said)


def _refused(bench: Bench, path: str) -> Answer | None:
    if bench.checks is None or not is_repo(path):
        return None
    reason = bench.checks.protection(shown_path(path))
    return None if reason is None else Answer(text=reason, is_error=True)


def _changed(bench: Bench, file: RepoFile, content: str, said: str) -> Answer:
    """Write a file, and say what the admission will say of it."""
    bench.workspace.write(file.path, content, is_executable=file.is_executable)
    if bench.checks is None or not is_repo(file.path):
        return Answer(text=said)
    try:
        return Answer(text=said + bench.checks.remarks(bench.workspace.snapshot, file.path))
    except FileTreeError:
        return Answer(
            text=said
        )  # what is wrong with the folder is said when it is measured or submitted
