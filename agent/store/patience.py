"""A ledger for whoever runs campaigns: it waits out a full disk and a database that is away, in the middle of every call.

Nothing is done twice by it, for every call of the ledger may be made again. Does not: wait for what does not pass by itself,
such as a fact that contradicts another one.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Self, TypeVar

from rsi.agent.errors import LedgerFullError, LedgerUnavailableError
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.sql.database import Database

T = TypeVar("T")

OUTAGE_S = 600.0
"""How long a database may be away; a full disk is waited for until somebody makes room, for then the ledger can be read."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How a call waits, and whom it tells."""

    on_wait: Callable[[str], None] = lambda _: None
    """Told why, when a call begins to wait; it cannot use the ledger."""
    on_back: Callable[[str, float], None] = lambda *_: None
    """Told the reason and the seconds when the ledger answers again."""
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def call(self, work: Callable[[], T]) -> T:
        """Do something with the ledger, as often as it takes.

        Raises:
            LedgerUnavailableError: It was away for `OUTAGE_S`.
            LedgerError: As `work` raises them, where waiting is of no use.
        """
        try:
            return work()
        except (LedgerFullError, LedgerUnavailableError) as error:
            reason = str(error)
        begun_s, pause_s = self.clock(), FIRST_PAUSE_S
        log.warning("waiting for the ledger: %s", reason)
        self.on_wait(reason)
        while True:
            self.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            try:
                result = work()
            except LedgerFullError:
                continue
            except LedgerUnavailableError:
                if self.clock() - begun_s > OUTAGE_S:
                    raise
                continue
            waited_s = self.clock() - begun_s
            log.warning("the ledger answers again after %.0f s", waited_s)
            self.on_back(reason, waited_s)
            return result


class PatientLedger(Ledger):
    """A ledger whose every call waits as `Patience` says."""

    def __init__(self, database: Database, patience: Patience) -> None:
        super().__init__(database)
        self._patience = patience

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found) or name in {"fenced", "close"}:
            return found
        patience: Patience = super().__getattribute__("_patience")

        def waiting(*args: object, **options: object) -> object:
            return patience.call(partial(found, *args, **options))

        return update_wrapper(waiting, found)

    def fenced(self, campaign_id: str, epoch: int) -> Self:
        """See `Ledger.fenced`."""
        return type(self)(self._fenced(campaign_id, epoch), self._patience)


def patient(ledger: Ledger, patience: Patience) -> PatientLedger:
    """The same ledger, waiting."""
    return PatientLedger(ledger._database, patience)
