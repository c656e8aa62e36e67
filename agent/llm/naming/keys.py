"""API keys: from a key command or the environment, never from a file of a repo.

Invariant: a key lives in the worker's memory and in the provider's client. Every value handed out
is known to `redactor`, so it can be kept out of errors, logs, ledger and trajectories.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping

from rsi.agent.llm.errors import MissingKeyError
from rsi.agent.llm.redaction import Redactor, secret_values

KEY_COMMAND_WALL_S = 30.0
NO_KEY = "none"
"""Sent where no key may go: SDKs want some key, and without one they look for the provider's in the environment."""


class KeyRing:
    """The keys of one worker."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Make a ring; no key is read or asked for yet.

        Args:
            environ: Environment to read; None is the process's own.
        """
        self._environ = os.environ if environ is None else environ
        self._found: dict[str, str] = {}

    def key_for(self, provider: str, *, is_needed: bool = True) -> str | None:
        """The key of a provider.

        RSI_<PROVIDER>_KEY_COMMAND comes first: its standard output is the key. Then
        <PROVIDER>_API_KEY.

        Args:
            provider: Such as "anthropic"; case does not matter.
            is_needed: Whether having none is an error; local servers need none.

        Raises:
            MissingKeyError: There is none, or the command failed. The message never holds output.
        """
        if provider not in self._found:
            name, variable = _upper(provider), key_variable(provider)
            command = self._environ.get(f"RSI_{name}_KEY_COMMAND")
            key = (_run(command, name) if command else self._environ.get(variable, "")).strip()
            if not key:
                if is_needed:
                    raise MissingKeyError(
                        f"no key for {provider}: set {variable}, or RSI_{name}_KEY_COMMAND to a "
                        "command that prints it"
                    )
                return None
            self._found[provider] = key
        return self._found[provider]

    def key_in(self, variable: str) -> str:
        """The key in an environment variable that a model's name names.

        Raises:
            MissingKeyError: It is not set.
        """
        key = self._environ.get(variable, "").strip()
        if not key:
            raise MissingKeyError(f"option key_env names {variable!r}, which is not set or empty")
        self._found[f"in {variable}"] = key
        return key

    def base_url_for(self, provider: str) -> str | None:
        """Where the environment says that a provider's API is; None when it does not."""
        name = _upper(provider)
        return self._environ.get(f"RSI_{name}_BASE_URL") or self._environ.get(f"{name}_BASE_URL")

    def redactor(self) -> Redactor:
        """Hides every key handed out so far and every secret of the environment."""
        return Redactor((*self._found.values(), *secret_values(self._environ)))


def key_variable(provider: str) -> str:
    """The environment variable that holds a provider's key."""
    return f"{_upper(provider)}_API_KEY"


def _upper(provider: str) -> str:
    return provider.upper().replace("-", "_")


def _run(command: str, name: str) -> str:
    variable = f"RSI_{name}_KEY_COMMAND"
    try:
        done = subprocess.run(
            shlex.split(command), capture_output=True, timeout=KEY_COMMAND_WALL_S, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise MissingKeyError(f"{variable} could not be run: {type(error).__name__}") from None
    if done.returncode != 0:
        raise MissingKeyError(f"{variable} ended with exit code {done.returncode}")
    return done.stdout.decode("utf-8", "replace")
