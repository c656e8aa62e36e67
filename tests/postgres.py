"""A PostgreSQL cluster of a test's own, on a unix socket, that can be stopped and started."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A throw-away cluster that listens on a unix socket only."""

    binaries: Path
    folder: Path
    user: str | None

    def call(self, *arguments: str) -> None:
        subprocess.run(
            [str(self.binaries / arguments[0]), *arguments[1:]],
            user=self.user,
            group=None if self.user is None else self.user,
            extra_groups=None if self.user is None else [],
            cwd="/",
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def cluster(self) -> str:
        return str(self.folder / "cluster")

    def start(self) -> None:
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c max_connections=60"
        )
        log = str(self.folder / "log")
        self.call("pg_ctl", "-D", self.cluster, "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str) -> None:
        """End it: "fast" breaks transactions off, "immediate" is a crash."""
        self.call("pg_ctl", "-D", self.cluster, "-m", mode, "-w", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://rsi@/{database}?host={self.folder}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """A fresh database's URL; nobody drops it, the whole cluster is thrown away."""
        admin = f"user=rsi host={self.folder} dbname=postgres"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


def postgres_binaries() -> Path | None:
    """The folder of initdb and pg_ctl; None where there is no server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [*found, *([Path(on_path).resolve()] if on_path else [])]
    return next((path.parent for path in candidates if (path.parent / "pg_ctl").exists()), None)


@contextmanager
def postgres_cluster(binaries: Path) -> Iterator[PostgresServer]:
    """A running cluster; gone with everything in it when the block is left."""
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="rsi-pg-", dir=quick_folder()))
    if user is not None:
        shutil.chown(folder, user)
    server = PostgresServer(binaries=binaries, folder=folder, user=user)
    try:
        server.call(
            "initdb", "-D", server.cluster, "-A", "trust", "-N", "-U", "rsi", "--no-locale", "-E", "UTF8"
        )  # fmt: skip
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def quick_folder() -> str:
    """Memory instead of a disk where there is one: these tests commit thousands of times."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
