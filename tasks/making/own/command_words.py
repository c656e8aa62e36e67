"""What a person types to train, as a sandbox can start it: no shell, no launcher of an environment, variables apart.

Does not: look at the repo. Invariant: what is left out is said.
"""

import posixpath
import re
import shlex
from dataclasses import dataclass

from rsi.tasks.errors import NewTaskError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_SHELL = frozenset({"&&", "||", "|", ";", ">", ">>", "<", "2>&1", "&", "2>", "&>"})
_LAUNCHERS = {
    ("uv", "run"), ("poetry", "run"), ("pixi", "run"), ("pdm", "run"), ("hatch", "run"), ("rye", "run"),
    ("pipenv", "run"), ("conda", "run"), ("mamba", "run"), ("micromamba", "run"),
}  # fmt: skip
"""Start a program in an environment; the sandbox has one environment, so nothing of them is needed."""
_TRANSPARENT = frozenset({"time", "env", "nohup", "exec", "command"})
"""Say something about the process alone."""
_MODULES = {
    "torchrun": "torch.distributed.run",
    "accelerate": "accelerate.commands.accelerate_cli",
    "deepspeed": "deepspeed.launcher.runner",
    "pytest": "pytest",
    "jupyter": "",
}
"""Programs that are modules of an installed package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, ready for a sandbox."""

    words: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    """Set before it, as in `LR=1e-3 python train.py`."""
    notes: tuple[str, ...] = ()
    folder: str = ""
    """Folder of the repo that it is started in, as in `cd mnist && python main.py`; empty for the repo's own."""


def read_command(text: str, *, option: str) -> Command:
    """A command as a person types it.

    Args:
        text: One line.
        option: Where it was given, for messages.

    Raises:
        NewTaskError: It needs a shell, is a notebook, or cannot be taken apart.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise NewTaskError(f"{option} {text!r} is no command: {error}") from error
    folder, words = _folder_of(text, words, option)
    while words and words[0] in _TRANSPARENT:
        words = words[1:]
    variables: dict[str, str] = {}
    while words and _VARIABLE.fullmatch(words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    for word in words:
        if word in _SHELL or word.endswith(";") or word.startswith("$("):
            raise NewTaskError(
                f"{option} {text!r} needs a shell for {word!r}; put it into a script of the repo, such as run.sh, and give "
                f'{option} "sh run.sh"'
            )
    words, notes = _without_launcher(words)
    notebooks = [word for word in words if word.endswith(".ipynb")]
    if notebooks or words[:1] == ["jupyter"]:
        named = notebooks[0] if notebooks else text
        raise NewTaskError(
            f"{named!r} is a notebook, which no run repeats; export it first: jupyter nbconvert --to script {named}"
        )
    if words and words[0] in _MODULES:
        module = _MODULES[words[0]]
        notes.append(f"{words[0]} is started as python -m {module}")
        words = ["python", "-m", module, *words[1:]]
    if (
        words
        and re.fullmatch(r"(.*/)?python3?(\.\d+)?", words[0])
        and words[0] not in {"python", "python3"}
    ):
        notes.append(f"{words[0]} became python, the one of the sandbox")
        words[0] = "python"
    if words[:1] != ["python"] and words and words[0].endswith(".py"):
        words = ["python", *words]
    return Command(
        words=tuple(words), variables=tuple(variables.items()), notes=tuple(notes), folder=folder
    )


def _folder_of(text: str, words: list[str], option: str) -> tuple[str, list[str]]:
    """The folder of `cd FOLDER && ...` and the words after it."""
    if words[:1] != ["cd"]:
        return "", words
    if len(words) < 4 or words[2] != "&&":
        raise NewTaskError(
            f'{option} {text!r} changes the folder and starts nothing; write "cd FOLDER && python train.py", or go there and call '
            "rsi there"
        )
    folder = posixpath.normpath(words[1])
    if posixpath.isabs(folder) or folder.startswith(("..", "~")):
        raise NewTaskError(
            f"{option} {text!r} leaves the folder that is tried; call rsi try in the one above"
        )
    return "" if folder == "." else folder, words[3:]


def _without_launcher(words: list[str]) -> tuple[list[str], list[str]]:
    if tuple(words[:2]) not in _LAUNCHERS:
        return words, []
    launcher, rest = " ".join(words[:2]), words[2:]
    while rest and rest[0].startswith("-"):
        takes_value = rest[0] in {
            "-n",
            "--name",
            "-p",
            "--prefix",
            "--with",
            "--extra",
            "--group",
            "-e",
            "--environment",
        }
        rest = rest[2:] if takes_value else rest[1:]
    return rest, [f"`{launcher}` is left out: the sandbox has one environment"]
