"""`rsi task instance`: what a run needs, laid out on disk, so that a person can repeat a measurement by hand."""

import argparse
import secrets
import shlex
from pathlib import Path

from rsi.agent.cli.context import emit, home, note, task_named
from rsi.agent.errors import AgentError
from rsi.evals.types import Purpose
from rsi.sandboxes.machine.environments import prepare_python
from rsi.sandboxes.select import choose_backend
from rsi.tasks.files.trees import below, write_tree
from rsi.tasks.format.loader import load_task, profile_of
from rsi.tasks.running.runner import make_instance
from rsi.tasks.running.variables import candidate_variables
from rsi.tasks.types import Task


class FolderInUseError(AgentError, ValueError):
    """The folder named for the instance is not empty."""


def instance(args: argparse.Namespace) -> int:
    """Write one instance's public part and the variables of a run; say how to run a version of the code on it.

    The code then runs with this machine's rights and no sandbox: only for code that somebody has read.
    """
    task = load_task(task_named(args.task), track=args.track)
    profile = profile_of(task, args.profile)
    folder = Path(args.out).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderInUseError(f"{str(folder)!r} is not an empty folder; name another with --out")
    backend = choose_backend(args.sandbox).backend
    backend.prepare(task.environment, progress=note)
    made = make_instance(
        task, profile, Purpose.DEV.value, secrets.token_bytes(32), backend, label="by-hand"
    )
    python = prepare_python(task.environment, note).bin_folder / "python"
    variables = candidate_variables(profile, args.seed) | {"RSI_IO": str(folder)}
    exports = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in variables.items())
    write_tree(below("public", made.public), folder)
    (folder / "out").mkdir()
    (folder / "env.sh").write_text(exports, encoding="utf-8")
    lines = _recipe(task, folder, python)
    emit(args, {"folder": str(folder), "variables": variables, "python": str(python)}, lines)
    return 0


def _recipe(task: Task, folder: Path, python: Path) -> list[str]:
    command = shlex.join([str(python), *task.candidate.entry[1:]])
    return [
        f"an instance of {task.name} is in {folder}; without any sandbox, run what you have read on it:",
        f"  git --git-dir={home().lineages}/LINEAGE.git worktree add FOLDER COMMIT   # `rsi report` names both commits",
        f"  . {folder}/env.sh; cd FOLDER && time {command}",
    ]
