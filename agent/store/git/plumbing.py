"""Git commands on a bare repository, with nothing of the user's or the candidate's able to take part.

No hooks, no fsmonitor, no filters, no user or system configuration, no prompts, no inherited GIT_*
variables, no work tree: file contents go in and out as bytes, never through files on the host.
"""

import errno
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rsi.agent.errors import LineageError, LineageFullError

GIT_TIMEOUT_S = 120
"""Wall limit of one git command; a candidate's tree takes well under a second."""

NO_COMMIT = "0" * 40
"""Git's way to say "this ref must not exist yet"."""

_SAFE_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.fsync=all",  # a commit named in the ledger must survive a power cut, as the ledger does
    "core.quotePath=true",
    "gc.auto=0",
    "protocol.allow=never",
    "i18n.commitEncoding=utf-8",
)


CLEAN_VARIABLES = {
    "LC_ALL": "C",
    "HOME": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
    "GIT_TERMINAL_PROMPT": "0",
}
"""What git is told instead of the user's settings."""


class GitTimeoutError(LineageError):
    """Git did not end in time; it and all that it had started were killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitResult:
    """How one git command ended."""

    exit_code: int
    stdout: bytes
    stderr: str
    is_truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GitDir:
    """A bare repository and the only way to run git on it."""

    path: Path

    def run(
        self,
        arguments: Sequence[str],
        *,
        stdin: bytes = b"",
        variables: Mapping[str, str] | None = None,
        timeout_s: int = GIT_TIMEOUT_S,
    ) -> GitResult:
        """Run one git command to its end.

        Raises:
            GitTimeoutError: It did not finish in time.
            LineageError: git is missing.
        """
        try:
            running = subprocess.Popen(
                self._command(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(variables),
                start_new_session=True,  # without a terminal to ask on, and killed with all that it starts
            )
        except FileNotFoundError as error:
            raise LineageError("git was not found; install git 2.30 or newer") from error
        with running:
            try:
                stdout, stderr = running.communicate(stdin, timeout=timeout_s)
            except subprocess.TimeoutExpired as error:
                raise GitTimeoutError(
                    f"git {_verb(arguments)} on {str(self.path)!r} took over {timeout_s} s; is the disk stuck?"
                ) from error
            finally:
                if running.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(running.pid, signal.SIGKILL)
        return GitResult(
            exit_code=running.returncode,
            stdout=stdout,
            stderr=stderr.decode("utf-8", "backslashreplace").strip(),
        )

    def output(
        self,
        arguments: Sequence[str],
        *,
        stdin: bytes = b"",
        variables: Mapping[str, str] | None = None,
    ) -> bytes:
        """The stdout of a command that must succeed.

        Raises:
            LineageError: It failed; the message says what git said.
        """
        result = self.run(arguments, stdin=stdin, variables=variables)
        if result.exit_code != 0:
            raise failed(self.path, arguments[0], result.stderr)
        return result.stdout

    def output_start(self, arguments: Sequence[str], *, limit_bytes: int) -> GitResult:
        """At most the first `limit_bytes` of a command's stdout; the rest is never read.

        Raises:
            LineageError: It failed before it was cut off.
        """
        with subprocess.Popen(
            self._command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(None),
        ) as running:
            stdout = running.stdout.read(limit_bytes + 1) if running.stdout else b""
            is_truncated = len(stdout) > limit_bytes
            if is_truncated:
                running.kill()
        if not is_truncated and running.returncode != 0:
            raise failed(self.path, arguments[0], f"exit status {running.returncode}")
        return GitResult(
            exit_code=0, stdout=stdout[:limit_bytes], stderr="", is_truncated=is_truncated
        )

    def _command(self, arguments: Sequence[str]) -> list[str]:
        settings = [part for setting in _SAFE_CONFIG for part in ("-c", setting)]
        return ["git", f"--git-dir={self.path}", *settings, *arguments]


def create_bare(path: Path) -> None:
    """Make an empty repository aside and move it into place, so that nobody ever opens half of one.

    Raises:
        LineageError: It cannot be made.
    """
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        GitDir(path=made).output(
            ["init", "--quiet", "--bare", "--template=", "--initial-branch=unused"]
        )
        made.rename(path)
    except OSError as error:
        # Another campaign on this lineage was first; its repository is as good.
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise LineageError(f"{str(path)!r} cannot be made: {error.strerror}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def failed(path: Path, verb: str, said: str) -> LineageError:
    """One sentence for a git command that failed."""
    if "No space left" in said or "unable to write" in said:
        return LineageFullError(
            f"the disk of {str(path)!r} is full (git {verb}); free some space and run it again"
        )
    if ".lock" in said and "File exists" in said:
        return LineageError(
            f"a killed git left a lock in {str(path)!r}; when no rsi runs, remove the file: {said}"
        )
    line = said.splitlines()[-1] if said else "no reason given"
    return LineageError(f"git {verb} on {str(path)!r} failed: {line}; `rsi doctor` checks it")


def _verb(arguments: Sequence[str]) -> str:
    """The command's name, which settings may stand before."""
    rest = list(arguments)
    while rest[0] == "-c":
        rest = rest[2:]
    return rest[0]


def _environment(variables: Mapping[str, str] | None) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        **CLEAN_VARIABLES,
        **(variables or {}),
    }
