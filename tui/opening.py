"""What the cockpit needs before it can be drawn: a terminal and a home's ledger."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.tui.errors import TerminalError

DRIVER_VARIABLE = "TEXTUAL_DRIVER"
"""Set where something else than a terminal draws, such as a browser's tab."""


def open_ledger(home: Home, *, is_read_only: bool) -> Ledger:
    """The home's ledger; made when there is none and writing is allowed.

    Raises:
        AgentError: It cannot be opened; the message says what to do.
    """
    if not is_read_only:
        home.create()
    return Ledger.open(home, read_only=is_read_only)


def require_terminal() -> None:
    """See to it that there is somebody to draw for, and that the cockpit ends with its terminal.

    Raises:
        TerminalError: Input or output is a pipe or a file.
    """
    if DRIVER_VARIABLE in os.environ or (sys.stdin.isatty() and sys.stdout.isatty()):
        # Below nohup the hang-up is ignored, and a cockpit without a terminal would go on for ever.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        return
    raise TerminalError(
        "the cockpit needs a terminal; `rsi queue`, `rsi follow` and `rsi show` print, `rsi web` serves a browser"
    )


@contextmanager
def saying_that_it_opens() -> Iterator[None]:
    """Say on the terminal that the cockpit comes, while what draws it is loaded; afterwards the line is as it was."""
    if DRIVER_VARIABLE in os.environ or not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield
        return
    sys.stdout.write("opening the cockpit ...")
    sys.stdout.flush()
    try:
        yield
    finally:
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()
