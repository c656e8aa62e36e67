"""What most verbs need: the home, the ledger, and one way to print."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rsi.agent.errors import AgentError, UnknownRecordError
from rsi.agent.safe import safe_line, safe_text
from rsi.agent.store.codec import encode
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignSummary


class OutputError(AgentError, OSError):
    """A file or folder that a person named cannot be written."""


def home() -> Home:
    """The home that the environment names."""
    return Home.find()


def task_named(word: str) -> str:
    """What the loader takes for a task that a person named: a trial's name, or the folder of its repo, for its task.

    Raises:
        NewTaskError: A repo's folder that was never tried.
    """
    from rsi.agent.trial.kept import named_task

    return named_task(home(), word)


def open_to_read() -> Ledger:
    """The ledger, refusing every write.

    Raises:
        LedgerUnavailableError: There is none yet, or it cannot be read.
    """
    return Ledger.open(home(), read_only=True)


def open_to_write() -> Ledger:
    """The ledger, made when missing."""
    return Ledger.open(home().create())


def chosen_campaign(ledger: Ledger, campaign_id: str | None) -> CampaignSummary:
    """The named campaign, or the latest.

    Raises:
        UnknownRecordError: No such campaign, or none at all.
    """
    if campaign_id is not None:
        return ledger.campaign_summary(campaign_id)
    latest = ledger.campaigns(limit=1)
    if not latest:
        raise UnknownRecordError("no campaign yet; `rsi run TASK` or `rsi demo` starts one")
    return latest[0]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write what a person named into a sentence.

    Raises:
        OutputError: The block could not write.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{str(path)!r} cannot be written ({error.strerror or error}); name another place"
        ) from error


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written, without making it.

    Raises:
        OutputError: It is a folder, is in no folder, or may not be written.
    """
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(f"{str(path)!r} cannot be written; name a file in a folder of yours")


def emit(args: argparse.Namespace, value: object, lines: Iterable[str]) -> None:
    """Print a value as JSON when asked to, else its lines, with nothing active in them."""
    if args.json:
        print(json.dumps(json.loads(encode(value)), indent=2, ensure_ascii=True))
        return
    for line in lines:
        print(safe_text(line))


def note(text: str) -> None:
    """A line for the person, beside the output."""
    print(safe_text(text), file=sys.stderr, flush=True)


def note_if_nobody_serves(ledger: Ledger) -> None:
    """Say that what was just asked waits for a worker, where none is."""
    from rsi.agent.queue.liveness import live_workers
    from rsi.agent.queue.standstill import NOBODY

    if not live_workers(ledger):
        note(NOBODY)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns aligned by their widest cell; the last one is not padded."""
    cells = [list(headers), *([safe_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
