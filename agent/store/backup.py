"""A backup of a home in one file, and a home made of it: ledger, its large contents, the engine's queue, and every lineage.

A snapshot of the ledger is taken first. Lineages only gain commits, so what is copied after it holds all that it names;
their champions are written as the snapshot has them.
Does not: copy logs, caches and reports, which can be made again, or a database that is a PostgreSQL server's.
"""

import hashlib
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from rsi.agent.errors import BackupError, HomeError, LineageError
from rsi.agent.store.git.lineage import CHAMPION_REF, Lineage
from rsi.agent.store.git.plumbing import GitDir, create_bare
from rsi.agent.store.home import ARTIFACTS_VARIABLE, Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.objects.artifacts import ArtifactStore

SUMS = "SHA256SUMS"
"""Digest and name of every file of a backup, as `sha256sum --check` reads them."""
BUNDLES = "lineages"
ARTIFACTS = "artifacts"


def back_up(home: Home, file: Path) -> tuple[str, ...]:
    """Write a home to a new file that its owner alone can read; workers may go on meanwhile.

    Returns:
        The names of what is in it.

    Raises:
        BackupError: The file is there already or cannot be written, or the ledger is on a server.
        LedgerError, LineageError: What is to be saved is damaged.
    """
    if home.database_url is not None:
        raise BackupError(
            "ledger and queue are in PostgreSQL: `pg_dump` saves them, and the git server's own backup the lineages"
        )
    if not home.ledger_path.exists():
        raise BackupError(f"there is no ledger in {str(home.root)!r}; nothing to back up")
    if file.exists():
        raise BackupError(f"{str(file)!r} is there already; name a new file")
    try:
        with tempfile.TemporaryDirectory(prefix=".rsi-backup-", dir=file.parent) as made:
            folder = Path(made)
            _snapshot(home.ledger_path, folder)
            if home.engine_path.exists():
                _snapshot(home.engine_path, folder)
            _bundle_lineages(home, folder)
            _copy_artifacts(home, folder)
            names = tuple(sorted(_names(folder)))
            sums = "".join(f"{_digest(folder / name)}  {name}\n" for name in names)
            (folder / SUMS).write_text(sums, encoding="utf-8")
            packed = folder / "packed.tar"
            with tarfile.open(packed, "x") as archive:
                for name in (SUMS, *names):
                    archive.add(folder / name, arcname=name, recursive=False)
            packed.chmod(0o600)  # campaigns' seeds are in it
            packed.rename(file)  # whole or not at all
    except OSError as error:
        raise BackupError(f"{str(file)!r} cannot be written: {error.strerror}") from error
    return names


def restore_home(home: Home, file: Path) -> tuple[str, ...]:
    """Make a home of a backup; every file is checked before anything is put in place.

    Returns:
        The names of its lineages.

    Raises:
        BackupError: The home holds something already, or the file is no whole backup.
        LedgerError, LineageError: What is in it is damaged.
    """
    if home.database_url is not None:
        raise BackupError("unset RSI_DATABASE_URL: a backup is of a home with its own ledger")
    home.create()
    if home.ledger_path.exists() or home.engine_path.exists() or any(home.lineages.iterdir()):
        raise BackupError(
            f"the home {str(home.root)!r} is not empty; set RSI_HOME to a folder that is new"
        )
    with tempfile.TemporaryDirectory(prefix=".rsi-restore-", dir=home.root) as made:
        folder = Path(made)
        names = _unpacked(file, folder)
        found = Home(root=folder).create()
        bundles = sorted(name for name in names if name.startswith(f"{BUNDLES}/"))
        for name in bundles:
            _unbundle(folder / name)
        _put_artifacts(home, names, folder)
        with Ledger.open(found, read_only=True) as ledger:
            chain = ledger.verify_chain()
            if not chain.is_intact:
                raise BackupError(f"the ledger in {str(file)!r} is damaged: {chain.reason}")
        try:
            for path in found.lineages.glob("*.git"):
                path.rename(home.lineages / path.name)
            if found.engine_path.exists():
                found.engine_path.rename(home.engine_path)
            found.ledger_path.rename(home.ledger_path)  # last: a home without it is none
        except OSError as error:
            raise HomeError(f"{str(home.root)!r} cannot be written: {error.strerror}") from error
    return tuple(Path(name).stem for name in bundles)


def _snapshot(path: Path, folder: Path) -> None:
    """SQLite's own online copy: one moment, whoever writes."""
    source = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(folder / path.name)) as target:
        try:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        except sqlite3.Error as error:
            raise BackupError(f"{str(path)!r} cannot be copied: {error}") from error


def _copy_artifacts(home: Home, folder: Path) -> None:
    """What the object store has of the ledger's as it was copied."""
    store = ArtifactStore.of(home)
    copied = Home(root=folder, artifacts_url=home.artifacts_url)
    with Ledger.open(copied, read_only=True) as ledger:
        for each in ledger.artifacts():
            if store is None:
                raise BackupError(
                    f"large contents of this ledger are in an object store; set {ARTIFACTS_VARIABLE} to it"
                )
            (folder / ARTIFACTS).mkdir(exist_ok=True)
            (folder / ARTIFACTS / each.sha256).write_bytes(store.get(each.sha256, each.size_bytes))


def _put_artifacts(home: Home, names: Sequence[str], folder: Path) -> None:
    kept = [name for name in names if name.startswith(f"{ARTIFACTS}/")]
    store = ArtifactStore.of(home)
    if kept and store is None:
        raise BackupError(
            f"{len(kept)} large contents of this backup were in an object store; set {ARTIFACTS_VARIABLE} to where they are to "
            "be from now on, such as file:///srv/rsi"
        )
    for name in kept:
        if store is not None:
            store.put((folder / name).read_bytes())


def _bundle_lineages(home: Home, folder: Path) -> None:
    (folder / BUNDLES).mkdir()
    with Ledger.open(folder / home.ledger_path.name, read_only=True) as ledger:
        for path in sorted(home.lineages.glob("*.git")):
            lineage = Lineage.open(home, path.stem, create=False, is_alone=True)
            if not lineage.git_dir.run(["for-each-ref", "refs/rsi"]).stdout:
                continue  # made, and nothing in it yet
            copy = GitDir(path=folder / f"{path.stem}.copy")
            create_bare(copy.path)
            _fetch(copy, path)
            champion = ledger.moves(path.stem).champion or lineage.baseline()
            copy.output(["update-ref", CHAMPION_REF, champion])
            bundle = folder / BUNDLES / f"{path.stem}.bundle"
            copy.output(["bundle", "create", "--quiet", str(bundle), "--all"])
            shutil.rmtree(copy.path)


def _unbundle(bundle: Path) -> None:
    git_dir = GitDir(path=bundle.with_suffix(".git"))
    try:
        create_bare(git_dir.path)
        _fetch(git_dir, bundle)
        bundle.unlink()
    except LineageError as error:
        raise BackupError(
            f"the lineage {bundle.stem!r} in the backup is damaged: {error}"
        ) from error


def _fetch(git_dir: GitDir, source: Path) -> None:
    options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"]
    config = ["-c", "protocol.file.allow=always", "-c", "fetch.fsckObjects=true"]
    git_dir.output([*config, "fetch", *options, str(source), "refs/rsi/*:refs/rsi/*"])


def _unpacked(file: Path, folder: Path) -> tuple[str, ...]:
    """The names of the files of a backup, put into a folder when every digest is right."""
    bad = f"{str(file)!r} is no whole backup"
    try:
        with tarfile.open(file, "r:") as archive:
            archive.extractall(folder, filter="data")
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise BackupError(f"{bad}: {Path(str(error.filename)).name} is not there") from error
    except (OSError, tarfile.TarError, ValueError) as error:
        raise BackupError(f"{bad}: {error}") from error
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if sums.keys() != {*_names(folder)} - {SUMS} or Home(root=folder).ledger_path.name not in sums:
        raise BackupError(f"{bad}: it holds other files than it says")
    for name, digest in sums.items():
        if _digest(folder / name) != digest:
            raise BackupError(f"{bad}: {name} is damaged")
    return tuple(sums)


def _names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
