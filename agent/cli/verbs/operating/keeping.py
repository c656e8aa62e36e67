"""Verbs that keep a home safe: backup, restore."""

import argparse
from pathlib import Path

from rsi.agent.cli.context import emit, home
from rsi.agent.store.backup import back_up, restore_home


def backup(args: argparse.Namespace) -> int:
    """Write this home's ledger, queue and lineages to one file."""
    file = Path(args.file).absolute()
    names = back_up(home(), file)
    size_bytes = file.stat().st_size
    emit(
        args,
        {"file": str(file), "names": list(names), "size_bytes": size_bytes},
        [f"{file}: {', '.join(names)}; {size_bytes / (1 << 20):.1f} MiB, with the campaigns' seeds: keep it to yourself"],
    )  # fmt: skip
    return 0


def restore(args: argparse.Namespace) -> int:
    """Make this home, which has to be empty, of a backup."""
    here = home()
    names = restore_home(here, Path(args.file).absolute())
    emit(
        args,
        {"home": str(here.root), "lineages": list(names)},
        [f"{here.root} is what was backed up: lineages {', '.join(names) or 'none'}; `rsi doctor` looks it over"],
    )  # fmt: skip
    return 0
