"""The proposer's tools besides the file tools: commands, measuring, the notebook, the two ends of a round.

Invariant: a tool's mistake is its answer, in words the model can act on. Only a lost sandbox raises.
To add one: write a function `(Bench, arguments) -> Answer` here or in `files`, its `ToolSpec` in `toolbox`, and its name
in the scaffold's `tools`.
"""

from rsi.agent.llm.fence import fence
from rsi.agent.roles.proposer.workbench.bench import (
    Answer,
    Arguments,
    Bench,
    Submission,
    with_shown,
)
from rsi.agent.roles.proposer.workbench.workspace import ShellResult
from rsi.agent.store.codec import value_of
from rsi.agent.types import Look
from rsi.sandboxes.errors import FileTreeError

MAX_JOBS = 32
"""Commands in the background that one round may start."""


def bash(bench: Bench, arguments: Arguments) -> Answer:
    """Run a command in the repo's folder, or start it in the background."""
    if "command" not in arguments:
        if arguments.get("restart"):
            return Answer(
                text="Every command starts in a fresh shell; there is nothing to restart."
            )
        return Answer(text="Give the command to run as 'command'.", is_error=True)
    if arguments.get("run_in_background"):
        return _begin(bench, str(arguments["command"]))
    return shell(bench, arguments)


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
    return Answer(
        text=f"{end}, {result.wall_s:.1f} s\n{_printed(bench, result)}",
        is_error=result.state != "exited",
        facts={"exit_code": result.exit_code, "state": result.state},
    )


def bash_output(bench: Bench, arguments: Arguments) -> Answer:
    """What a command in the background printed since the last look, and whether it has ended."""
    name = str(arguments["bash_id"])
    if name not in bench.jobs:
        known = ", ".join(bench.jobs) or "none"
        text = f"There is no command {name!r} in the background. Those there are: {known}."
        return Answer(text=text, is_error=True)
    asked_s = float(value_of(float, arguments.get("wait_s", 0)))
    wait_s = max(0.0, min(asked_s, bench.limits.shell_wall_s))
    result = bench.workspace.poll(
        name, offset=bench.jobs[name], wait_s=wait_s, kill=bool(arguments.get("kill", False))
    )
    bench.jobs[name] = max(bench.jobs[name], result.size)
    ends = {
        "running": "still running",
        "killed": "ended: it was killed",
        "oom": "ended: the sandbox's memory limit was hit",
        "failed": "it cannot be looked at",
    }
    end = ends.get(result.state, f"ended with exit code {result.exit_code}")
    return Answer(
        text=f"{name}: {end}\n{_printed(bench, result)}",
        is_error=result.state in ("oom", "failed"),
        facts={"exit_code": result.exit_code, "state": result.state},
    )


def _begin(bench: Bench, command: str) -> Answer:
    if len(bench.jobs) >= MAX_JOBS:
        return Answer(
            text=f"{MAX_JOBS} commands were started in the background; no more.", is_error=True
        )
    name = f"b{len(bench.jobs) + 1}"
    result = bench.workspace.begin(command, name)
    if result.state != "running":
        text = f"the command could not be started\n{_printed(bench, result)}"
        return Answer(text=text, is_error=True)
    bench.jobs[name] = 0
    return Answer(
        text=f'Started as {name}. It runs while other tools do: bash_output(bash_id="{name}", wait_s=60) waits for it.'
    )


def _printed(bench: Bench, result: ShellResult) -> str:
    if not result.output:
        return "(no output)"
    return fence(bench.outputs.cut(result.output), source="shell")


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
    limits = bench.limits
    if bench.measures_used >= limits.max_measures or bench.measured_s >= limits.measure_s:
        return Answer(text="No measurements are left in this round.", is_error=True)
    try:
        tree = bench.workspace.snapshot()
    except FileTreeError as error:
        return Answer(text=with_shown("The repo cannot be measured:", str(error)), is_error=True)
    repeats = value_of(int, arguments.get("repeats", 2))
    look = Look(
        repeats=max(1, min(repeats, limits.max_repeats_of_measure)),
        is_profiled=bool(arguments.get("profile", False)),
    )
    bench.measures_used += 1
    run = bench.measure(tree, look)
    bench.measured_s += run.device_s
    left_s = max(0.0, limits.measure_s - bench.measured_s)
    text = fence(bench.outputs.cut(run.summary), source="measure")
    return Answer(
        text=f"{text}\nIt took {run.device_s:.1f} s; {left_s:.0f} s of measuring are left.",
        is_error=not run.is_ok,
        facts={**run.facts, "device_s": run.device_s},
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
    if bench.checks is not None and (refusal := bench.checks.refusal(tree)):
        return Answer(text=refusal, is_error=True)
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
