"""`rsi task new`: a person's own training repo becomes a task, and what to do next is said."""

import argparse
import os
import shlex
from pathlib import Path

from rsi.agent.cli.context import emit
from rsi.tasks.choices import Clock, Direction
from rsi.tasks.errors import NewTaskError
from rsi.tasks.format.loader import find_task, search_folders
from rsi.tasks.making.new_task import NewTask, create_task, default_parent
from rsi.tasks.making.repo_copy import size_words
from rsi.tasks.making.wanted import Wanted


def new(args: argparse.Namespace) -> int:
    """Make a task of a training repo."""
    here = Path.cwd()
    parent = Path(args.out).expanduser() if args.out else default_parent(os.environ, here)
    made = create_task(_wanted(args), parent.absolute())
    told = _told_place(made, here)
    emit(args, _facts(made, told), _lines(made, told))
    return 0


def _wanted(args: argparse.Namespace) -> Wanted:
    return Wanted(
        name=args.name,
        repo=args.repo,
        commit=args.commit,
        entry=_words(args.entry, "--entry"),
        tests=None if args.tests is None else _words(args.tests, "--tests"),
        editable=tuple(args.editable),
        protected=tuple(args.protected),
        exclude=tuple(args.exclude),
        clock=Clock(args.metric or ("cpu_s" if args.device == "cpu" else "wall_s")),
        artifact=args.artifact,
        quality=args.quality,
        direction=Direction(args.direction),
        unit=args.unit,
        limit=args.limit,
        margin=args.margin,
        environment=args.environment,
        device=args.device,
        cpus=args.cpus,
        memory_mb=args.memory_mb,
        wall_s=args.wall_s,
    )


def _words(command: str, option: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise NewTaskError(f"{option} {command!r} is no command: {error}") from error


def _told_place(made: NewTask, here: Path) -> str:
    """How the person names the task to the other verbs: its name where that is found, else its folder."""
    root, name = made.task.root, made.task.name
    if root.parent in search_folders() and find_task(name) == root:
        return name
    if root.is_relative_to(here):
        return f"./{root.relative_to(here)}"
    return str(root)


def _facts(made: NewTask, told: str) -> dict[str, object]:
    task = made.task
    return {
        "name": task.name,
        "folder": str(task.root),
        "origin": task.origin,
        "files": made.files,
        "bytes": made.n_bytes,
        "largest": [{"path": path, "bytes": n_bytes} for path, n_bytes in made.largest],
        "entry": list(task.candidate.entry),
        "editable": list(task.candidate.editable),
        "protected": list(task.candidate.protected),
        "artifact": made.artifact,
        "environment": {"name": made.installed.name, "requirements": list(made.installed.pinned)},
        "notes": list(made.notes),
        "next": [command for command, _ in _next(made, told)],
    }


def _lines(made: NewTask, told: str) -> list[str]:
    task = made.task
    rule = task.profiles[task.default_profile].quality[0]
    limit = "no limit" if rule.limit is None else f"limit {rule.limit:g}"
    largest = ", ".join(f"{path} {size_words(n_bytes)}" for path, n_bytes in made.largest)
    installed = made.installed.pinned
    rows = [
        (
            "repo",
            f"{made.files} files, {size_words(made.n_bytes)}{_from(made)}; largest: {largest}",
        ),
        ("runs", shlex.join(task.candidate.entry)),
        ("editable", ", ".join(task.candidate.editable)),
        ("leaves", made.artifact),
        *([("tests", shlex.join(task.tests.entry))] if task.tests else []),
        ("metric", f"{task.metric.clock.value}, lower is better"),
        (
            "quality",
            f"{rule.name}, {rule.direction.value} is better, {limit}, margin {rule.margin:g}",
        ),
        ("needs", f"{made.installed.name}: {', '.join(installed) or 'bare Python'}"),
    ]
    steps = _next(made, told)
    width = max(len(command) for command, _ in steps)
    return [
        f"task {task.name} is in {task.root}",
        *(f"  {name:<9} {text}" for name, text in rows),
        *(f"note: {note}" for note in made.notes),
        "next:",
        *(f"  {n}. {command:<{width}}  # {why}" for n, (command, why) in enumerate(steps, start=1)),
    ]


def _from(made: NewTask) -> str:
    origin = made.task.origin
    if origin is None:
        return ""
    return f" at commit {origin.commit[:12]}" + (f" of {origin.url}" if origin.url else "")


def _next(made: NewTask, told: str) -> tuple[tuple[str, str], ...]:
    """Three things to do, each a command and why."""
    word = shlex.quote(told)
    folder = told if "/" in told else str(made.task.root)
    quality = shlex.quote(f"{folder}/harness/quality.py")
    return (
        (f"rsi task check {word}", "does a run end well here, and is the grader sound?"),
        (
            f"$EDITOR {quality}",
            "compute the quality: until then a run is believed, and nothing is claimed",
        ),
        (
            f"rsi run {word} --rounds 1",
            "a whole round without a model; then add --model anthropic:NAME",
        ),
    )
