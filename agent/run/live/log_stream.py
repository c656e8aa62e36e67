"""One output stream of a round, kept in the ledger while it grows.

Does not: take part in a score. What cannot be kept is dropped with a line in the worker's log; a writer never waits
for it longer than one write.
Invariant: no stream grows beyond `STREAM_BYTES`, and no stream goes on with the name of an earlier one.
"""

import logging
import time
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from rsi.agent.errors import LedgerError
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import LogChunk, utc_now

logger = logging.getLogger(__name__)

FLUSH_S = 0.5
CHUNK_BYTES = 32 << 10
STREAM_BYTES = 1 << 20
CUT = b"\n[more was printed than is kept]\n"


@dataclass(slots=True)
class LogStream:
    """Takes bytes as they come, writes them at most twice a second; not for several threads at once."""

    ledger: Ledger
    round_id: str
    name: str
    """Unique in its round; see `unused_name`."""
    _seq: int = 0
    _size: int = 0
    _waiting: bytearray = field(default_factory=bytearray)
    _written_at: float = 0.0

    def add(self, chunk: bytes) -> None:
        """Take a piece; beyond `STREAM_BYTES` it is dropped, and the stream says so."""
        room = STREAM_BYTES - self._size
        if room > 0:
            self._size += len(chunk)
            self._waiting += chunk[:room]
            if len(chunk) > room:
                self._waiting += CUT
        is_due = time.monotonic() - self._written_at > FLUSH_S
        if is_due or len(self._waiting) > CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._written_at = time.monotonic()
        if not self._waiting:
            return
        chunk = LogChunk(
            round_id=self.round_id,
            stream=self.name,
            seq=self._seq,
            at=utc_now(),
            content=bytes(self._waiting),
        )
        self._waiting.clear()
        self._seq += 1
        try:
            self.ledger.add_log(chunk)
        except (LedgerError, SQLAlchemyError) as error:
            logger.warning("round=%s stream=%s not kept: %s", self.round_id, self.name, error)


def unused_name(ledger: Ledger, round_id: str, start: str, end: str = "") -> str:
    """The first of start + end, start-1 + end, ... that no stream of the round has."""
    known = ledger.log_streams(round_id)
    again = 0
    while (name := f"{start}{f'-{again}' if again else ''}{end}") in known:
        again += 1
    return name
