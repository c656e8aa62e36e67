"""The tools as models see them, and how a call of one is answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rsi.agent.llm.arguments import call_problem
from rsi.agent.llm.types import ToolCall, ToolSpec
from rsi.agent.roles.proposer.workbench.bench import Answer, Arguments, Bench, with_shown
from rsi.agent.roles.proposer.workbench.files import (
    EDITOR,
    EDITOR_COMMANDS,
    edit,
    editor,
    view,
    write,
)
from rsi.agent.roles.proposer.workbench.tools import (
    bash,
    bash_output,
    give_up,
    measure,
    read_output,
    search_notebook,
    shell,
    submit,
)
from rsi.agent.roles.proposer.workbench.workspace import WorkspaceError


def answer_call(bench: Bench, call: ToolCall, specs: Sequence[ToolSpec]) -> Answer:
    """Run one call, or say what is wrong with it.

    Raises:
        SandboxGoneError, SandboxBrokenError: The sandbox is lost.
    """
    offered = {spec.name: spec for spec in specs}
    if call.name not in offered and _TODAYS_NAME.get(call.name) in offered:
        offered[call.name] = TOOLS[call.name][0]
    spec = offered.get(call.name)
    if spec is not None:
        call = replace(call, arguments=_without_nulls(call.arguments, spec))
    problem = call_problem(call, offered)
    if problem is None and call.name not in TOOLS:
        problem = f"The tool {call.name!r} is one of another version; this one has no such tool."
    if problem is not None:
        return Answer(text=problem, is_error=True, is_malformed=True)
    try:
        return TOOLS[call.name][1](bench, call.arguments)
    except WorkspaceError as error:
        return Answer(text=with_shown(str(error), error.shown), is_error=True)


def _without_nulls(arguments: Arguments, spec: ToolSpec) -> Arguments:
    """Some models write null for what they leave out."""
    required = spec.parameters.get("required")
    needed = required if isinstance(required, list) else []
    return {name: it for name, it in arguments.items() if it is not None or name in needed}


def _spec(name: str, description: str, required: str = "", **properties: object) -> ToolSpec:
    parameters = {"type": "object", "properties": properties, "required": required.split()}
    return ToolSpec(name=name, description=description, parameters=parameters)


def _string(description: str) -> dict[str, object]:
    return {"type": "string", "description": description}


def _integer(description: str) -> dict[str, object]:
    return {"type": "integer", "description": description}


def _number(description: str) -> dict[str, object]:
    return {"type": "number", "description": description}


def _flag(description: str) -> dict[str, object]:
    return {"type": "boolean", "description": description}


Tool = Callable[[Bench, Arguments], Answer]
_TODAYS_NAME: Mapping[str, str] = {"shell": "bash", "view": EDITOR, "edit": EDITOR, "write": EDITOR}
"""Tools of older scaffolds, each with the one that does the same: who is offered that may call by the old name."""
_PATH = "path relative to the repo, or below /work/repo or /work/scratch"

TOOLS: Mapping[str, tuple[ToolSpec, Tool]] = {
    spec.name: (spec, tool)
    for spec, tool in (
        (
            _spec(
                "bash",
                "Run a bash command in the repo's folder. No network. Files persist between calls, "
                "shell variables and the current folder do not.",
                command=_string("the command"),
                timeout_s=_number("seconds before it is stopped; 60 if left out"),
                run_in_background=_flag(
                    "start it and go on; it runs while other tools do, bash_output looks at it"
                ),
                restart=_flag("not needed: every command starts in a fresh shell"),
            ),
            bash,
        ),
        (
            _spec(
                "bash_output",
                "What a command in the background printed since the last look, and whether it ended.",
                "bash_id",
                bash_id=_string('its name, such as "b1"'),
                wait_s=_number("seconds to wait for its end; 0 if left out"),
                kill=_flag("end it"),
            ),
            bash_output,
        ),
        (
            _spec(
                EDITOR,
                "View, create and edit files. `view` shows a file with line numbers or lists a folder; `create` writes a "
                "whole file; `str_replace` replaces old_str, which must occur exactly once, whitespace included; "
                "`insert` puts insert_text behind the line insert_line.",
                "command path",
                command={"type": "string", "enum": list(EDITOR_COMMANDS)},
                path=_string(f"{_PATH}; . is the repo itself"),
                view_range={
                    "type": "array",
                    "items": {"type": "integer"},
                    "description": "for view: first and last line, such as [11, 40]; -1 is the end",
                },
                file_text=_string("for create: the whole content"),
                old_str=_string("for str_replace: text to replace, without line numbers"),
                new_str=_string("for str_replace: text to put there; nothing if left out"),
                insert_line=_integer("for insert: the line behind which, 0 for the front"),
                insert_text=_string("for insert: the lines to put there"),
            ),
            editor,
        ),
        (
            _spec(
                "shell",
                "Run a bash command in the repo's folder. No network. Files persist between calls, "
                "shell variables and the current folder do not.",
                "command",
                command=_string("the command"),
                timeout_s={
                    "type": "number",
                    "description": "seconds before it is stopped; 60 if left out",
                },
            ),
            shell,
        ),
        (
            _spec(
                "view",
                "Show a file with line numbers, or list the files of a folder.",
                "path",
                path=_string("path relative to the repo; . for the repo itself"),
                first_line=_integer("first line to show, 1 if left out"),
                last_line=_integer("last line to show"),
            ),
            view,
        ),
        (
            _spec(
                "edit",
                "Replace one exact piece of a file. `old` must occur exactly once, whitespace included.",
                "path old new",
                path=_string("path relative to the repo"),
                old=_string("text to replace, without line numbers"),
                new=_string("text to put there"),
                everywhere={"type": "boolean", "description": "replace every occurrence"},
            ),
            edit,
        ),
        (
            _spec(
                "write",
                "Create a file or replace it whole.",
                "path content",
                path=_string("path relative to the repo"),
                content=_string("the whole content"),
            ),
            write,
        ),
        (
            _spec(
                "measure",
                "Run the repo as it is now on public data, beside the champion, and report metric, quality, spread, memory "
                "and what it printed. Metered by seconds.",
                repeats=_integer(
                    "runs of your version, 2 if left out; more tell more of the noise"
                ),
                profile=_flag(
                    "one run more, under a profiler: the functions with the most own time"
                ),
            ),
            measure,
        ),
        (
            _spec(
                "search_notebook",
                "Search what earlier rounds tried and learned.",
                "query",
                query=_string("a few words"),
            ),
            search_notebook,
        ),
        (
            _spec(
                "read_output",
                "Read a further part of an output that was cut.",
                "output",
                output=_string('name of the output, such as "o1"'),
                offset=_integer("first character to show, 0 if left out"),
            ),
            read_output,
        ),
        (
            _spec(
                "submit",
                "Hand over the repo as it is now. Ends the round.",
                "hypothesis predicted_ratio risk",
                hypothesis=_string("what gets better and why, in one or two sentences"),
                predicted_ratio={
                    "type": "number",
                    "description": "expected improvement over the champion; 1.10 is 10 percent better",
                },
                risk=_string("what could be wrong with it"),
                parts={
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "the separable parts of the change",
                },
            ),
            submit,
        ),
        (
            _spec(
                "give_up",
                "End the round without a patch, when the idea does not work.",
                "reason",
                reason=_string("what was tried and why it does not work"),
            ),
            give_up,
        ),
    )
}
