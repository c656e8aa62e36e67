"""What a run needs besides a sandbox, for `rsi doctor`: a home with room, whole lineages and their server, the engine's store.

Does not: repair anything, or make what is not there yet; a lineage's server gets what it lacks.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from rsi.agent.errors import LedgerUnavailableError, LineageError, UnknownCommitError
from rsi.agent.llm.adapters.transport.network import network_problems as provider_problems
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.git.plumbing import GitDir
from rsi.agent.store.git.server import lineage_server
from rsi.agent.store.home import Home
from rsi.agent.store.objects.artifacts import ArtifactStore

NEEDED_BYTES = 64 << 20
"""A campaign of a few rounds leaves some megabytes; below this it ends in a full disk sooner or later."""
IMAGE_CERTIFICATES = "RSI_CA_BUNDLE"
"""Variable that names a file which builds of images open."""


def home_problems(home: Home) -> Iterator[str]:
    """A home that cannot be written, or whose disk is full."""
    folder = home.root
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        yield f"the home {str(home.root)!r} cannot be written; set RSI_HOME to a folder of yours"
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < NEEDED_BYTES:
        yield (
            f"the disk of the home {str(home.root)!r} is full: {free_bytes} bytes are free and {NEEDED_BYTES} are "
            "needed; free some space, or set RSI_HOME to another disk"
        )


def artifact_problems(home: Home) -> Iterator[str]:
    """An object store that cannot be reached, written or read."""
    try:
        store = ArtifactStore.of(home)
        if store is not None:
            store.probe()
    except LedgerUnavailableError as error:
        yield str(error)


def lineage_problems(home: Home) -> Iterator[str]:
    """Lineages that git finds damaged."""
    for path in sorted(home.lineages.glob("*.git")):
        found = GitDir(path=path).run(["fsck", "--no-dangling", "--no-progress", "--no-reflogs"])
        if found.exit_code != 0:
            said = (found.stderr or found.stdout.decode("utf-8", "backslashreplace")).splitlines()
            yield f"the lineage {path.stem!r} is damaged ({said[0] if said else 'git fsck'}); restore a copy of {str(path)!r}"


def server_problems(home: Home) -> Iterator[str]:
    """A git server of the lineages that cannot be reached, read or written; each lineage is brought up to date on the way."""
    names = [path.stem for path in sorted(home.lineages.glob("*.git"))]
    try:
        if not names and (server := lineage_server(home, "doctor")) is not None:
            server.reach()
        for name in names:
            lineage = Lineage.open(home, name, create=False)
            lineage.synchronize()
            if lineage.server is not None:
                with suppress(UnknownCommitError):  # made, and nothing in it yet
                    lineage.server.try_writing(lineage.baseline())
    except LineageError as error:
        yield str(error)


def engine_problems(home: Home) -> Iterator[str]:
    """The engine's own store, where it is a file; in PostgreSQL it is beside the ledger."""
    path = home.engine_path
    if home.database_url is not None or not path.exists():
        return
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            said = [str(row[0]) for row in connection.execute("PRAGMA quick_check")]
        finally:
            connection.close()
    except sqlite3.Error as error:
        said = [str(error)]
    if said != ["ok"]:
        yield (
            f"the engine's store {str(path)!r} is damaged ({said[0]}); move it away while no worker runs: campaigns under "
            "way are queued again from the ledger"
        )


def network_problems(variables: Mapping[str, str]) -> Iterator[str]:
    """Variables about proxies and certificates that cannot work, as the clients of providers read them."""
    yield from provider_problems(variables)
    named = variables.get(IMAGE_CERTIFICATES, "").strip()
    if named and not Path(named).exists():
        yield f"{IMAGE_CERTIFICATES} names {named!r}, which is not there; correct it or unset it"
