"""What the runs of a measurement print, kept in the ledger while they print it: the cockpit's curves and logs.

Does not: take part in a score. What cannot be kept is dropped with a line in the worker's log; a run never waits for it
longer than one write.
Invariant: a repeated run gets a stream of its own, and no stream grows beyond `STREAM_BYTES`.
"""

import logging
import threading
import time
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from rsi.agent.errors import LedgerError
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import LogChunk, utc_now
from rsi.evals.running import Slot

logger = logging.getLogger(__name__)

FLUSH_S = 0.5
CHUNK_BYTES = 32 << 10
STREAM_BYTES = 1 << 20
CUT = b"\n[more was printed than is kept]\n"


@dataclass(slots=True)
class _Stream:
    """One stream of one run: its name in the ledger and what was not written yet."""

    name: str
    seq: int = 0
    size: int = 0
    waiting: bytearray = field(default_factory=bytearray)
    written_at: float = 0.0


class LiveLog:
    """Writes the output of the runs of one round as it comes; implements `evals.running.Listener`."""

    def __init__(self, ledger: Ledger, round_id: str, attempt: int) -> None:
        self._ledger = ledger
        self._round_id = round_id
        self._attempt = attempt
        self._lock = threading.Lock()
        self._streams: dict[tuple[Slot, str], _Stream] = {}

    def heard(self, slot: Slot, stream: str, chunk: bytes) -> None:
        """Take what a run printed; written at most twice a second."""
        with self._lock:
            found = self._streams.get((slot, stream))
            if found is None:
                found = self._streams[slot, stream] = _Stream(name=self._name(slot, stream))
            room = STREAM_BYTES - found.size
            if room > 0:
                found.size += len(chunk)
                found.waiting += chunk[:room]
                if len(chunk) > room:
                    found.waiting += CUT
            is_due = time.monotonic() - found.written_at > FLUSH_S
            if is_due or len(found.waiting) > CHUNK_BYTES:
                self._write(found)

    def ended(self, slot: Slot) -> None:
        """Write what is left of a run."""
        with self._lock:
            for key in [each for each in self._streams if each[0] == slot]:
                self._write(self._streams.pop(key))

    def _name(self, slot: Slot, stream: str) -> str:
        run = f"{slot.purpose.value}/{self._attempt}/{slot.arm.value}/{slot.pair}"
        known = self._ledger.log_streams(self._round_id)
        again = 0
        while (name := f"{run}{f'-{again}' if again else ''}/{stream}") in known:
            again += 1
        return name

    def _write(self, stream: _Stream) -> None:
        stream.written_at = time.monotonic()
        if not stream.waiting:
            return
        chunk = LogChunk(
            round_id=self._round_id,
            stream=stream.name,
            seq=stream.seq,
            at=utc_now(),
            content=bytes(stream.waiting),
        )
        stream.waiting.clear()
        stream.seq += 1
        try:
            self._ledger.add_log(chunk)
        except (LedgerError, SQLAlchemyError) as error:
            logger.warning("round=%s step=measure log %s: %s", self._round_id, stream.name, error)
