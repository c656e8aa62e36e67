"""Keeps a log pane on the newest output stream of a round, fetching each piece once."""

from collections.abc import Sequence

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import LogChunk
from rsi.evals.types import Disturbance, Measurement, Outcome
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.phrases import size
from rsi.tui.waiting import when_done
from rsi.tui.widgets.logview import LogView

PIECES_PER_LOOK = 400
"""Pieces fetched at once; a longer stream arrives over several looks."""


class LogFollower:
    """Which stream is shown and how far it was fetched."""

    def __init__(self) -> None:
        self._shown: tuple[str, str] | None = None
        self._last_seq = -1
        self._is_fetching = False
        self._next: tuple[str, tuple[str, ...]] | None = None
        """What is to be followed; None for nothing."""

    def show_nothing(self, log: LogView) -> None:
        """Forget the stream."""
        self._next = None
        if self._shown is not None:
            self._shown = None
            log.heading = "Output"
            log.clear_text()

    def show_runs(self, measurements: Sequence[Measurement], log: LogView) -> None:
        """Show a line a run, where no output is kept."""
        wanted = ("runs", str(len(measurements)))
        self._next = None
        if wanted != self._shown:
            self._shown = wanted
            log.heading = f"Runs ({len(measurements)})"
            log.set_text("\n".join(run_line(each) for each in measurements))

    def follow(
        self, cockpit: Cockpit, round_id: str, streams: tuple[str, ...], log: LogView
    ) -> None:
        """Show the newest stream of a round and fetch what is new in it."""
        if not streams:
            self.show_nothing(log)
            return
        wanted = (round_id, streams[-1])
        self._next = (round_id, streams)
        if wanted != self._shown:
            self._shown, self._last_seq = wanted, -1
            log.heading = f"Output: {stream_words(streams[-1])}"
            log.follows = True
            log.clear_text()
        if self._is_fetching:
            return
        self._is_fetching = True
        after = self._last_seq

        def fetch(ledger: Ledger) -> tuple[LogChunk, ...]:
            return ledger.log(round_id, wanted[1], after, PIECES_PER_LOOK)

        def arrived(pieces: tuple[LogChunk, ...]) -> None:
            self._is_fetching = False
            if self._shown != wanted:
                # Another stream was chosen meanwhile, and waited.
                again()
                return
            if not pieces:
                return
            self._last_seq = pieces[-1].seq
            log.append(b"".join(each.content for each in pieces).decode(errors="replace"))
            if len(pieces) == PIECES_PER_LOOK:
                self.follow(cockpit, round_id, streams, log)

        def failed(_: Exception) -> None:
            # The state line already says that the ledger cannot be read.
            self._is_fetching = False

        def again() -> None:
            if self._next is not None:
                self.follow(cockpit, *self._next, log)

        when_done(log, cockpit.ask_ledger(fetch), arrived, failed)


def stream_words(name: str) -> str:
    """A stream as people count: "confirm/0/candidate/2/stdout" is the third candidate run of "confirm"."""
    match name.split("/"):
        case [purpose, attempt, arm, pair, stream] if attempt.isdecimal() and pair.isdecimal():
            again = f", attempt {int(attempt) + 1}" if int(attempt) else ""
            said = "" if stream == "stdout" else f", {stream}"
            return f"{purpose} {int(pair) + 1} {arm}{again}{said}"
        case _:
            return name


def run_line(run: Measurement) -> str:
    """One measured run: which, what it came to, what the machine did meanwhile."""
    parts = [f"{run.purpose.value} {run.pair + 1} {run.arm.value:<9}"]
    if run.outcome is Outcome.OK and run.metric_value is not None:
        parts.append(f"{run.metric_value:.4g}")
    else:
        parts.append(f"✖ {run.outcome.value} {run.detail}")
    if run.wall_s is not None:
        parts.append(f"{run.wall_s:.1f} s wall")
    parts += [f"{name} {value:.4g}" for name, value in run.quality.items()]
    if run.max_rss_bytes is not None:
        parts.append(size(run.max_rss_bytes))
    return " · ".join([*parts, *machine_parts(run.disturbance), *trouble_parts(run.disturbance)])


def machine_parts(found: Disturbance) -> list[str]:
    """What CPU and GPUs did during a run; nothing about what the platform cannot tell."""
    parts = []
    if found.load_1m is not None:
        parts.append(f"load {found.load_1m:.1f}")
    if found.others_cpu_s is not None:
        parts.append(f"others {found.others_cpu_s:.1f} CPU-s")
    if found.steal_s:
        parts.append(f"stolen {found.steal_s:.1f} s")
    return parts + [f"gpu {each}" for each in found.gpus]


def trouble_parts(found: Disturbance) -> list[str]:
    """What makes a run's times doubtful."""
    disturbed = ["▲ disturbed"] if found.is_disturbed else []
    return disturbed + [f"▲ {each}" for each in found.gpu_problems]
