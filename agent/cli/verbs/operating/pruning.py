"""`rsi prune`: what takes room and can be made again: unused environments, old reports and logs, loose git objects.

Invariant: facts, trajectories and candidates never go, for every number rests on them; nor does what an object store has
of them, of which only the copies here can go. Does not: Docker images, which
`rsi images prune` knows.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rsi.agent.cli.context import emit, home, table
from rsi.agent.store.git.plumbing import GitDir
from rsi.agent.store.home import Home
from rsi.sandboxes.machine.environments import forget_environment, unused_environments

DAY_S = 86_400.0
MIB = 1 << 20
LOOSE_BYTES = MIB
"""Loose objects of a lineage below this are not worth packing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """One thing that can go."""

    what: str
    """"environment", "report", "log", "artifact copy", or "loose objects", which are packed and not removed."""
    path: str
    size_bytes: int
    unused_days: float | None
    """Since it was last asked for or written; None where age plays no part."""
    remove: Callable[[], None] = field(compare=False)


def prune(args: argparse.Namespace) -> int:
    """List what can go, with its size; with --yes let it go."""
    here, now_s = home(), time.time()
    found = sorted(_waste(here, now_s, args.older_than * DAY_S), key=lambda each: -each.size_bytes)
    for each in found if args.yes else ():
        each.remove()
    total = sum(each.size_bytes for each in found)
    facts = {
        "older_than_days": args.older_than,
        "is_done": args.yes,
        "size_bytes": total,
        "found": [
            {"what": each.what, "path": each.path, "size_bytes": each.size_bytes, "unused_days": each.unused_days}
            for each in found
        ],
    }  # fmt: skip
    emit(args, facts, _lines(found, total, is_done=args.yes))
    return 0


def _waste(here: Home, now_s: float, older_s: float) -> Iterator[Waste]:
    for folder, used_s in unused_environments(now_s - older_s):
        yield Waste(
            what="environment",
            path=str(folder),
            size_bytes=_size(folder),
            unused_days=(now_s - used_s) / DAY_S,
            remove=partial(forget_environment, folder),
        )
    artifacts = here.cache / "artifacts"  # copies of what the object store has
    for what, top in (("report", here.reports), ("log", here.logs), ("artifact copy", artifacts)):
        for path in sorted(top.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            stat = path.stat()
            if stat.st_mtime < now_s - older_s:
                yield Waste(
                    what=what,
                    path=str(path),
                    size_bytes=stat.st_size,
                    unused_days=(now_s - stat.st_mtime) / DAY_S,
                    remove=partial(path.unlink, missing_ok=True),
                )
    for path in sorted(here.lineages.glob("*.git")):
        repo = GitDir(path=path)
        loose_bytes = _loose_bytes(repo)
        if loose_bytes >= LOOSE_BYTES:
            yield Waste(
                what="loose objects",
                path=str(path),
                size_bytes=loose_bytes,
                unused_days=None,
                remove=partial(_pack, repo),
            )


def _loose_bytes(repo: GitDir) -> int:
    counted = repo.output(["count-objects", "-v"]).decode().splitlines()
    facts = dict(line.split(": ", 1) for line in counted)
    return int(facts["size"]) << 10


def _pack(repo: GitDir) -> None:
    # What no ref names stays loose: a worker may be about to name it.
    repo.output(["repack", "-d", "-q"])


def _size(folder: Path) -> int:
    return sum(each.lstat().st_size for each in folder.rglob("*") if each.is_file())


def _lines(found: Sequence[Waste], total: int, *, is_done: bool) -> list[str]:
    if not found:
        return ["nothing to prune"]
    rows = [
        (
            each.what,
            f"{each.size_bytes / MIB:.1f} MiB",
            "" if each.unused_days is None else f"{each.unused_days:.0f} days",
            each.path,
        )
        for each in found
    ]
    packed = sum(each.size_bytes for each in found if each.what == "loose objects")
    also = f", {packed / MIB:.1f} MiB of it packed" if packed else ""
    last = (
        f"gone: {total / MIB:.1f} MiB{also}; facts, trajectories and candidates are as they were"
        if is_done
        else f"{total / MIB:.1f} MiB could go{also}; nothing was changed: `rsi prune --yes` does it"
    )
    return [*table(("what", "size", "unused for", "where"), rows), last]
