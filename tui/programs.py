"""Programs of the person's own, $PAGER and $EDITOR, on files that the cockpit alone names.

Invariant: no shell reads a name that a candidate chose: a program is started with its words as they are, on a file in
a folder of our own, whose name keeps of the candidate's nothing but an ending of letters and digits.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from rsi.tui.errors import ProgramError

FALLBACKS: Mapping[str, tuple[str, ...]] = {
    "PAGER": ("less", "more"),
    "EDITOR": ("vi", "nano"),
}
"""What is started where a variable is not set, the first that is installed."""
_PLAIN_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,12}")


def suffix_of(path: str) -> str:
    """The ending by which an editor knows the language of a candidate's file; ".txt" for an odd one."""
    found = PurePosixPath(path).suffix
    return found if _PLAIN_SUFFIX.fullmatch(found) else ".txt"


def words_of(variable: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The words that start a program.

    Args:
        variable: "PAGER" or "EDITOR".
        environment: The cockpit's own variables.

    Raises:
        ProgramError: None is set and none of the usual ones is installed, or what is set cannot be started.
    """
    said = environment.get(variable, "").strip()
    try:
        words = shlex.split(said)
    except ValueError as error:
        raise ProgramError(f"${variable}={said!r} cannot be read: {error}") from error
    if words:
        if shutil.which(words[0], path=environment.get("PATH")) is None:
            raise ProgramError(f"${variable}={said!r} cannot be started: {words[0]!r} is not installed here")  # fmt: skip
        return tuple(words)
    for name in FALLBACKS[variable]:
        if shutil.which(name, path=environment.get("PATH")) is not None:
            return (name,)
    usual = FALLBACKS[variable][0]
    raise ProgramError(f"no {variable.lower()} is set or installed: export {variable}={usual}, or another one")  # fmt: skip


def run_program(words: tuple[str, ...], path: Path, *, is_pager: bool) -> None:
    """Run a program on a file until it ends; the terminal is its own meanwhile.

    Raises:
        ProgramError: It cannot be started.
    """
    # LESSSECURE keeps a pager from being a way out to a shell or to other files.
    environment = {**os.environ, "LESSSECURE": "1"} if is_pager else None
    # Ctrl-C is meant for the program; one that is handled here is as usual there, where an ignored one would not be.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        subprocess.run([*words, str(path)], check=False, env=environment)
    except OSError as error:
        raise ProgramError(f"{words[0]} cannot be started: {error.strerror}") from error
    finally:
        signal.signal(signal.SIGINT, before)
