"""A ledger that an older version wrote, put into a home of the test's.

`old_ledger.tar.xz` holds four campaigns on the toy task as rsi wrote them on 2026-11-30, when what a step left was JSON
read by key: the ledger's SQL, its lineages as git bundles, and the task of that day. It is never made again.
"""

import sqlite3
import subprocess
import tarfile
from pathlib import Path

from rsi.agent.store.home import Home
from rsi.tasks.format.loader import load_task

ARCHIVE = Path(__file__).parent / "old_ledger.tar.xz"
DIGEST = "e5b4455027af38a42a3c640577ddf77ef7c2a01ebb5f398c9556c137e4844831"
"""Of the task when it was queued."""


def restore(folder: Path) -> Home:
    """The ledger, its lineages and its task, below an empty folder."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    home = Home(root=folder / "home").create()
    task = load_task(str(folder / "toy"))
    text = (folder / "ledger.sql").read_text(encoding="utf-8")
    # The kit that rsi puts beside every harness is part of a task's digest, and it has grown since.
    text = text.replace(DIGEST, task.digest)
    text = text.replace("@TASK@", str(task.root)).replace("@SCRIPT@", str(folder / "script.toml"))
    with sqlite3.connect(home.root / "ledger.sqlite3") as connection:
        connection.executescript(text)
    connection.close()
    for bundle in (folder / "lineages").iterdir():
        repository = home.lineages / f"{bundle.stem}.git"
        for words in (("init", "-q", "--bare"), ("-C",)):
            rest = ("fetch", "-q", str(bundle), "+refs/*:refs/*") if words == ("-C",) else ()
            subprocess.run(["git", *words, str(repository), *rest], check=True)
    return home
