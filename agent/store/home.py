"""The home folder: where a person's ledger, lineages, logs and caches live.

    $RSI_HOME/  ledger.sqlite3  engine.sqlite3  lineages/<name>.git  logs/  cache/  reports/

Does not: create anything until `create` is called.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from rsi.agent.errors import HomeError

HOME_VARIABLE = "RSI_HOME"
DATABASE_VARIABLE = "RSI_DATABASE_URL"
LINEAGES_VARIABLE = "RSI_LINEAGES_URL"
ARTIFACTS_VARIABLE = "RSI_ARTIFACTS_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Paths below one root, and the database's URL."""

    root: Path
    """Absolute."""
    database_url: str | None = None
    """PostgreSQL URL for ledger and engine; None means SQLite files in the root."""
    lineages_url: str | None = field(default=None, repr=False)
    """Git server that the lineages are shared through, perhaps with a credential; None means that they are in the root alone."""
    artifacts_url: str | None = field(default=None, repr=False)
    """Object store for large contents of the ledger, perhaps with a credential; None keeps them in the database."""

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None) -> "Home":
        """The home that the environment names: $RSI_HOME, else the platform's data folder.

        Raises:
            HomeError: $RSI_HOME is a relative path.
        """
        variables = os.environ if environ is None else environ
        named = variables.get(HOME_VARIABLE, "").strip()
        root = Path(named).expanduser() if named else Path(platformdirs.user_data_dir("rsi"))
        if not root.is_absolute():
            raise HomeError(f"{HOME_VARIABLE}={named!r} is a relative path; give an absolute one")
        url = variables.get(DATABASE_VARIABLE, "").strip()
        server = variables.get(LINEAGES_VARIABLE, "").strip()
        artifacts = variables.get(ARTIFACTS_VARIABLE, "").strip()
        return cls(
            root=root,
            database_url=url or None,
            lineages_url=server or None,
            artifacts_url=artifacts or None,
        )

    @property
    def ledger_path(self) -> Path:
        return self.root / "ledger.sqlite3"

    @property
    def ledger_place(self) -> str:
        """What `Ledger.open` takes: the database URL or the ledger's path."""
        return self.database_url or str(self.ledger_path)

    @property
    def engine_path(self) -> Path:
        """The engine's own SQLite file, used when there is no database URL."""
        return self.root / "engine.sqlite3"

    @property
    def lineages(self) -> Path:
        """Bare repositories; caches of those on the git server, where there is one."""
        return self.root / "lineages"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def create(self) -> "Home":
        """Make the folders, readable by their owner only; returns itself.

        Raises:
            HomeError: A folder cannot be made or written.
        """
        for folder in (self.root, self.lineages, self.logs, self.cache, self.reports):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise HomeError(
                    f"the folder {str(folder)!r} cannot be made ({error.strerror}); "
                    f"set {HOME_VARIABLE} to a folder you may write"
                ) from error
            if not os.access(folder, os.W_OK | os.X_OK):
                raise HomeError(
                    f"the folder {str(folder)!r} cannot be written; "
                    f"set {HOME_VARIABLE} to a folder you may write"
                )
        return self
