"""Work of a campaign that meets a full disk, a ledger or a git server that is away: parked with its reason, taken up again when it can.

Every step is idempotent, so what was interrupted is simply done again. Does not: wait for an error that would come again at
once; that is an error like any other.
"""

import errno
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from rsi.agent.errors import (
    AgentError,
    LedgerFullError,
    LedgerUnavailableError,
    LineageFullError,
    LineageServerError,
)
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.run.engine import Durable
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.patience import Patience, patient
from rsi.agent.store.records import CampaignEventKind, utc_now
from rsi.evals.errors import EvidenceError
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.machine.environments import cache_folder
from rsi.tasks.errors import TaskError

T = TypeVar("T")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
NEEDED_BYTES = 4 << 20
"""What must fit on a disk again before work is tried once more: far above a fact or a commit."""
LOOK_S, LONGEST_LOOK_S = 2.0, 30.0
"""Between two tries; a git server is left alone for longer each time."""
NOTICED_S = 5.0
"""A shorter wait is not worth an event."""
OVER = "what kept it is over"
MAX_VAIN_TRIES = 5
"""Tries in a row with room on every disk; after them the error is not one that passes."""

_OURS = (LedgerFullError, LedgerUnavailableError, LineageFullError, LineageServerError)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkingDurable:
    """A durable engine whose steps wait out what passes by itself."""

    durable: Durable
    home: Home
    ledger: Ledger
    campaign_id: str
    sleep: Callable[[float], None]

    def step(self, name: str, work: Callable[[], str]) -> str:
        return self.durable.step(name, lambda: self.through(work))

    def wait(self, topic: str) -> None:
        self.durable.wait(topic)

    def through(self, work: Callable[[], T]) -> T:
        """Do something to its end, parking the campaign as long as it cannot be done."""
        vain, pause_s = 0, LOOK_S
        while True:
            try:
                done = work()
            except (AgentError, EvidenceError, SandboxError, TaskError, OSError) as error:
                reason, folders = obstacle(error), _written(self.home)
                if not reason or vain >= MAX_VAIN_TRIES:
                    raise
                self._park(reason)
                self.sleep(pause_s)
                if _is_of_server(error):
                    # Only the server can say whether it answers again, and a person what it should let us do.
                    if self._is_stopping():
                        raise
                    pause_s = min(2 * pause_s, LONGEST_LOOK_S)
                    continue
                vain += 1
                while not all(has_room(each) for each in folders):
                    if self._is_stopping():
                        raise
                    vain = 0
                    self.sleep(LOOK_S)
            else:
                self._go_on()
                return done

    def _park(self, reason: str) -> None:
        events = self.ledger.campaign_events(self.campaign_id)
        if events and (events[-1].kind, events[-1].reason) == (CampaignEventKind.PARKED, reason):
            return
        log.warning("campaign=%s parked: %s", self.campaign_id, reason)
        self._say(CampaignEventKind.PARKED, reason)

    def _go_on(self) -> None:
        """Also what a worker left parked that ended meanwhile."""
        events = self.ledger.campaign_events(self.campaign_id)
        if events and events[-1].kind is CampaignEventKind.PARKED:
            log.warning("campaign=%s goes on", self.campaign_id)
            self._say(CampaignEventKind.RESUMED, OVER)

    def _say(self, kind: CampaignEventKind, reason: str) -> None:
        say(self.ledger, self.campaign_id, kind, reason)

    def _is_stopping(self) -> bool:
        return CampaignSteering(self.ledger, self.campaign_id).is_stopping()


def patient_ledger(ledger: Ledger, campaign_id: str) -> Ledger:
    """A campaign's ledger, which waits out what passes by itself; a wait that anybody noticed is among the events."""

    def tell(reason: str, waited_s: float) -> None:
        if waited_s >= NOTICED_S:
            since = utc_now() - timedelta(seconds=waited_s)
            say(waiting, campaign_id, CampaignEventKind.PARKED, reason, at=since)
            say(waiting, campaign_id, CampaignEventKind.RESUMED, OVER)

    waiting = patient(ledger, Patience(on_back=tell))
    return waiting


def say(
    ledger: Ledger,
    campaign_id: str,
    kind: CampaignEventKind,
    reason: str,
    *,
    at: datetime | None = None,
) -> None:
    """Write a change of a campaign down, with its reason."""
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=campaign_id, kind=kind, at=at or utc_now(), reason=reason)
    )


def obstacle(error: BaseException) -> str:
    """Why work cannot go on for now, in one sentence; empty when the error is not of a kind that passes."""
    for seen in _with_causes(error):
        if isinstance(seen, _OURS):
            return str(seen)
        if isinstance(seen, OSError) and seen.errno in FULL:
            place = f" of {seen.filename!r}" if seen.filename else ""
            return f"the disk{place} is full; free some space, it goes on by itself"
    return ""


def _is_of_server(error: BaseException) -> bool:
    return any(isinstance(each, LineageServerError) for each in _with_causes(error))


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def has_room(folder: Path) -> bool:
    """Whether a disk takes some megabytes again, tried for real: quotas and reserved blocks count."""
    with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(NEEDED_BYTES))
        file.flush()
        return True
    return not folder.is_dir()


def _written(home: Home) -> tuple[Path, ...]:
    """Where a campaign writes: its home, the cache of environments, and where sandboxes are made."""
    return home.root, cache_folder(), Path(tempfile.gettempdir())
