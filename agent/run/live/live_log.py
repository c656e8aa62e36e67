"""What the runs of a measurement print, kept in the ledger while they print it: the cockpit's curves and logs."""

import threading

from rsi.agent.run.live.log_stream import LogStream, unused_name
from rsi.agent.store.ledger import Ledger
from rsi.evals.measure.running import Slot


class LiveLog:
    """Writes the output of the runs of one round as it comes; implements `evals.running.Listener`."""

    def __init__(self, ledger: Ledger, round_id: str, attempt: int) -> None:
        self._ledger = ledger
        self._round_id = round_id
        self._attempt = attempt
        self._lock = threading.Lock()
        self._streams: dict[tuple[Slot, str], LogStream] = {}

    def heard(self, slot: Slot, stream: str, chunk: bytes) -> None:
        """Take what a run printed."""
        with self._lock:
            found = self._streams.get((slot, stream))
            if found is None:
                found = self._streams[slot, stream] = self._open(slot, stream)
            found.add(chunk)

    def ended(self, slot: Slot) -> None:
        """Write what is left of a run; the same run again gets a stream of its own."""
        with self._lock:
            for key in [each for each in self._streams if each[0] == slot]:
                self._streams.pop(key).flush()

    def _open(self, slot: Slot, stream: str) -> LogStream:
        run = f"{slot.purpose.value}/{self._attempt}/{slot.arm.value}/{slot.pair}"
        name = unused_name(self._ledger, self._round_id, run, f"/{stream}")
        return LogStream(self._ledger, self._round_id, name)
