"""Opening a home's ledger for the cockpit."""

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger


def open_ledger(home: Home, *, is_read_only: bool) -> Ledger:
    """The home's ledger; made when there is none and writing is allowed.

    Raises:
        AgentError: It cannot be opened; the message says what to do.
    """
    if not is_read_only:
        home.create()
    return Ledger.open(home, read_only=is_read_only)
