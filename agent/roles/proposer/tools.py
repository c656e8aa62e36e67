"""The proposer's tools: what the model may do, and what it is told back.

Invariant: a tool's mistake is its answer, in words the model can act on. Only a lost sandbox raises.
To add one: write a function `(Bench, arguments) -> Answer` here, its `ToolSpec` in `toolbox`, and its name
in the scaffold's `tools`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rsi.agent.llm.fence import fence
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.edits import EditError, occurrences, replace_once
from rsi.agent.roles.proposer.outputs import OutputStore
from rsi.agent.roles.proposer.workspace import Workspace, WorkspaceError, relative
from rsi.agent.store.codec import value_of
from rsi.agent.types import Measure, SearchNotebook
from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import FileTree

Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The end that the model chose: a patch, or none."""

    tree: FileTree
    """Empty when given up."""
    hypothesis: str
    predicted_ratio: float | None
    risk: str
    parts: tuple[str, ...]
    reason: str
    """Why there is no patch; empty when there is one."""

    @property
    def is_patch(self) -> bool:
        """Whether something was submitted."""
        return self.predicted_ratio is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a tool tells the model."""

    text: str
    is_error: bool = False
    is_malformed: bool = False
    """The call could not be used at all."""
    ending: Submission | None = None
    facts: Mapping[str, object] | None = None
    """Numbers for the record, not shown to the model."""


@dataclass(slots=True, kw_only=True)
class Bench:
    """What the tools work on."""

    workspace: Workspace
    outputs: OutputStore
    limits: ProposerLimits
    measure: Measure
    search_notebook: SearchNotebook
    measures_used: int = 0


def view(bench: Bench, arguments: Arguments) -> Answer:
    """Lines of a file with numbers, or the files of a folder."""
    path = str(arguments["path"])
    found = bench.workspace.look(path)
    if isinstance(found, str):
        return Answer(text=fence(found, source="view"))
    lines = _lines(found.text)
    first = max(1, value_of(int, arguments.get("first_line", 1)))
    if lines and first > len(lines):
        return Answer(text=f"{path} has only {len(lines)} lines.", is_error=True)
    last = min(len(lines), value_of(int, arguments.get("last_line", len(lines))))
    last = min(last, first + bench.limits.view_lines - 1)
    body = "\n".join(f"{n:6}\t{lines[n - 1]}" for n in range(first, last + 1))
    where = f"{relative(path)}, lines {first}-{last} of {len(lines)}" if lines else f"{path}: empty"
    if last == len(lines) and lines and not found.text.endswith("\n"):
        where += ", the last without a line feed"
    return Answer(text=f"{where}\n{fence(body, source='view')}")


def edit(bench: Bench, arguments: Arguments) -> Answer:
    """Replace an exact piece of a file."""
    path, old, new = (str(arguments[name]) for name in ("path", "old", "new"))
    file = bench.workspace.read(path)
    everywhere = bool(arguments.get("everywhere", False))
    try:
        changed = replace_once(file.text, old, new, everywhere=everywhere)
    except EditError as error:
        return Answer(
            text=with_shown(f"{path} was not changed. {error}", error.shown), is_error=True
        )
    bench.workspace.write(path, changed, is_executable=file.is_executable)
    where = ", ".join(str(line) for line in occurrences(file.text, old)[:20])
    return Answer(text=f"{relative(path)} was changed at line {where}.")


def write(bench: Bench, arguments: Arguments) -> Answer:
    """Create or replace a whole file."""
    path, content = str(arguments["path"]), str(arguments["content"])
    try:
        found = bench.workspace.look(path)
    except WorkspaceError:
        found = None
    if isinstance(found, str):
        return Answer(text=f"{path} is a folder; give the path of a file.", is_error=True)
    is_executable, verb = (False, "created") if found is None else (found.is_executable, "replaced")
    bench.workspace.write(path, content, is_executable=is_executable)
    return Answer(text=f"{relative(path)} was {verb}: {len(content.splitlines())} lines.")


def shell(bench: Bench, arguments: Arguments) -> Answer:
    """Run a command in the repo's folder."""
    asked_s = value_of(float, arguments.get("timeout_s", 60))
    wall_s = max(1.0, min(float(asked_s), bench.limits.shell_wall_s))
    result = bench.workspace.shell(str(arguments["command"]), wall_s)
    ends = {
        "timeout": f"stopped after {wall_s:.0f} s; run something shorter or set timeout_s",
        "flooded": "stopped because it printed without end",
        "oom": "stopped because the sandbox's memory limit was hit",
        "failed": "the command could not be started",
    }
    end = ends.get(result.state, f"exit code {result.exit_code}")
    body = (
        fence(bench.outputs.cut(result.output), source="shell") if result.output else "(no output)"
    )
    return Answer(
        text=f"{end}, {result.wall_s:.1f} s\n{body}",
        is_error=result.state != "exited",
        facts={"exit_code": result.exit_code, "state": result.state},
    )


def read_output(bench: Bench, arguments: Arguments) -> Answer:
    """A further part of an output that was cut."""
    name = str(arguments["output"])
    part = bench.outputs.read(name, max(0, value_of(int, arguments.get("offset", 0))))
    if part is None:
        known = ", ".join(bench.outputs.names) or "none"
        return Answer(text=f"There is no output {name!r}. Kept outputs: {known}.", is_error=True)
    return Answer(text=fence(part, source="output"))


def measure(bench: Bench, arguments: Arguments) -> Answer:
    """A cheap run of the repo as it is now, on public data."""
    left = bench.limits.max_measures - bench.measures_used
    if left <= 0:
        return Answer(text="No measurements are left in this round.", is_error=True)
    try:
        tree = bench.workspace.snapshot()
    except FileTreeError as error:
        return Answer(text=with_shown("The repo cannot be measured:", str(error)), is_error=True)
    bench.measures_used += 1
    run = bench.measure(tree)
    text = fence(bench.outputs.cut(run.summary), source="measure")
    return Answer(
        text=f"{text}\n{left - 1} measurements are left.", is_error=not run.is_ok, facts=run.facts
    )


def search_notebook(bench: Bench, arguments: Arguments) -> Answer:
    """What earlier rounds found about a subject."""
    found = bench.search_notebook(str(arguments["query"]))
    return Answer(text=fence(bench.outputs.cut(found), source="notebook"))


def submit(bench: Bench, arguments: Arguments) -> Answer:
    """Hand the repo over as it is now."""
    predicted = float(value_of(float, arguments["predicted_ratio"]))
    if not 0.0 < predicted < 1e6:
        return Answer(
            text="predicted_ratio must be positive: 1.10 means 10 percent better.", is_error=True
        )
    try:
        tree = bench.workspace.snapshot()
    except FileTreeError as error:
        return Answer(text=with_shown("The repo cannot be handed over:", str(error)), is_error=True)
    ending = Submission(
        tree=tree,
        hypothesis=str(arguments["hypothesis"]),
        predicted_ratio=predicted,
        risk=str(arguments["risk"]),
        parts=value_of(tuple[str, ...], arguments.get("parts", [])),
        reason="",
    )
    return Answer(text="Submitted.", ending=ending)


def give_up(bench: Bench, arguments: Arguments) -> Answer:
    """End the round without a patch."""
    ending = Submission(
        tree=(), hypothesis="", predicted_ratio=None, risk="", parts=(),
        reason=str(arguments["reason"]),
    )  # fmt: skip
    return Answer(text="The round ends without a patch.", ending=ending)


def with_shown(words: str, shown: str) -> str:
    """Our words, and what a sandbox said, fenced."""
    return f"{words}\n{fence(shown, source='sandbox')}" if shown else words


def _lines(text: str) -> list[str]:
    """Lines as editors count them: only a line feed ends one, and the last needs none."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines
