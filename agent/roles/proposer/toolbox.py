"""The tools as models see them, and how a call of one is answered."""

from collections.abc import Callable, Mapping, Sequence

from rsi.agent.llm.arguments import call_problem
from rsi.agent.llm.types import ToolCall, ToolSpec
from rsi.agent.roles.proposer.tools import (
    Answer,
    Arguments,
    Bench,
    edit,
    give_up,
    measure,
    read_output,
    search_notebook,
    shell,
    submit,
    view,
    with_shown,
    write,
)
from rsi.agent.roles.proposer.workspace import WorkspaceError


def answer_call(bench: Bench, call: ToolCall, specs: Sequence[ToolSpec]) -> Answer:
    """Run one call, or say what is wrong with it.

    Raises:
        SandboxGoneError, SandboxBrokenError: The sandbox is lost.
    """
    problem = call_problem(call, {spec.name: spec for spec in specs})
    if problem is not None:
        return Answer(text=problem, is_error=True, is_malformed=True)
    try:
        return TOOLS[call.name][1](bench, call.arguments)
    except WorkspaceError as error:
        return Answer(text=with_shown(str(error), error.shown), is_error=True)


def _spec(name: str, description: str, required: str = "", **properties: object) -> ToolSpec:
    parameters = {"type": "object", "properties": properties, "required": required.split()}
    return ToolSpec(name=name, description=description, parameters=parameters)


def _string(description: str) -> dict[str, object]:
    return {"type": "string", "description": description}


def _integer(description: str) -> dict[str, object]:
    return {"type": "integer", "description": description}


Tool = Callable[[Bench, Arguments], Answer]

TOOLS: Mapping[str, tuple[ToolSpec, Tool]] = {
    spec.name: (spec, tool)
    for spec, tool in (
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
                "Run the repo as it is now on public data and report the metric. Metered.",
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
