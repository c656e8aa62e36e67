"""Training curves out of the output that runs print while they train.

A line such as "step=120 loss=2.31 validation_bpb=2.40" is a point. What a run prints is untrusted: it is drawn, and
never takes part in a score.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rsi.agent.store.ledger import Ledger
from rsi.evals.types import Measurement
from rsi.tui.model.curves import Series

MAX_POINTS = 20_000
"""Per curve; a run that prints more is thinned by leaving out every second point."""
CHUNKS_AT_ONCE = 200
MAX_LINE_CHARACTERS = 2_000
"""What of a line is looked at."""
LARGEST_WHOLE = 1 << 1023
"""A whole number above it is no float; JSON knows such numbers."""

# Untrusted lines are searched: each gap can be split in one way only, so that the cost grows with the line's length.
_GAP = r"\s*(?:[=:]\s*)?"
_STEP = re.compile(rf"\b(?:step|iter|iteration){_GAP}(\d{{1,12}})\b", re.IGNORECASE)
_VALUE = re.compile(
    rf"\b([a-z_]{{1,40}}){_GAP}(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|nan|-?inf)\b", re.IGNORECASE
)
Pair = tuple[str, str, str]
"""Purpose, attempt and number."""
_MEASURES = ("loss", "bpb", "perplexity", "accuracy")


@dataclass(slots=True)
class _Stream:
    """How far one stream was read."""

    last_seq: int = -1
    tail: str = ""
    points: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)

    def take(self, text: str) -> None:
        """Add the points of the lines that are whole now."""
        *lines, tail = (self.tail + text).split("\n")
        self.tail = tail[:MAX_LINE_CHARACTERS]
        for each in lines:
            add_points(self.points, each)


class CurveReader:
    """Follows the streams of one round; reads each piece once."""

    def __init__(self, ledger: Ledger, round_id: str) -> None:
        self._ledger = ledger
        self._round_id = round_id
        self._streams: dict[str, _Stream] = {}

    def read(
        self, streams: Sequence[str], measurements: Sequence[Measurement]
    ) -> tuple[str, tuple[Series, ...]]:
        """The name of what is plotted, and the latest champion's and candidate's curves.

        Args:
            streams: Names of the round's streams, oldest first.
            measurements: Their result files may hold a "curve" of [x, y] pairs, which is preferred.
        """
        found = _curves_of_results(measurements)
        if found:
            return "quality", found
        pair = _newest_pair(streams)
        latest = {arm: _latest(streams, arm, pair) for arm in ("champion", "candidate", "dev")}
        if latest["candidate"] is not None or latest["champion"] is not None:
            latest["dev"] = None
        read = {arm: self._follow(name) for arm, name in latest.items() if name is not None}
        name = _common_name(tuple(read.values()))
        curves = []
        for arm, stream in read.items():
            if name in stream.points:
                xs, ys = stream.points[name]
                curves.append(Series(name=arm, xs=tuple(xs), ys=tuple(ys)))
        return name, tuple(curves)

    def _follow(self, name: str) -> _Stream:
        stream = self._streams.setdefault(name, _Stream())
        while chunks := self._ledger.log(self._round_id, name, stream.last_seq, CHUNKS_AT_ONCE):
            for chunk in chunks:
                stream.take(chunk.content.decode(errors="replace"))
            stream.last_seq = chunks[-1].seq
        return stream


def add_points(points: dict[str, tuple[list[float], list[float]]], text: str) -> None:
    """Add what one line says to the curves by name; a line without a step adds nothing."""
    text = text[:MAX_LINE_CHARACTERS]
    step = _STEP.search(text)
    if step is None:
        return
    for match in _VALUE.finditer(text):
        name = match[1].lower()
        if not any(each in name for each in _MEASURES):
            continue
        xs, ys = points.setdefault(name, ([], []))
        xs.append(float(step[1]))
        ys.append(float(match[2]))
        if len(xs) > MAX_POINTS:
            del xs[1::2], ys[1::2]


def _latest(streams: Sequence[str], arm: str, pair: Pair | None) -> str | None:
    """The newest stream of an arm, of this pair if it has one: pairs run beside each other, on other text."""
    fitting = [name for name in streams if arm in name.split("/") and not name.endswith("stderr")]
    beside = [name for name in fitting if _pair_of(name) == pair]
    return next(reversed(beside or fitting), None)


def _newest_pair(streams: Sequence[str]) -> Pair | None:
    return next(filter(None, map(_pair_of, reversed(streams))), None)


def _pair_of(stream: str) -> Pair | None:
    """Of a name such as "screen/0/champion/2/stdout"; None for streams of no timed run."""
    parts = stream.split("/")
    return (parts[0], parts[1], parts[3].partition("-")[0]) if len(parts) == 5 else None


def _common_name(streams: Sequence[_Stream]) -> str:
    names = {name for stream in streams for name in stream.points}
    if not names:
        return ""
    # What is measured on text that was not trained on says more than the loss of one batch.
    return min(names, key=lambda n: ("val" not in n and "bpb" not in n, n))


def _curves_of_results(measurements: Sequence[Measurement]) -> tuple[Series, ...]:
    curves = {}
    for each in measurements:
        points = each.result.get("curve")
        if not isinstance(points, Sequence) or isinstance(points, str):
            continue
        pairs = [p for p in points if isinstance(p, Sequence) and len(p) == 2]
        numbers = [(x, y) for x, y in pairs if _is_number(x) and _is_number(y)]
        if numbers:
            curves[each.arm.value] = Series(
                name=each.arm.value,
                xs=tuple(float(x) for x, _ in numbers),
                ys=tuple(float(y) for _, y in numbers),
            )
    return tuple(curves[arm] for arm in ("champion", "candidate") if arm in curves)


def _is_number(value: object) -> bool:
    """Whether a value can be drawn; NaN and infinities can, as gaps."""
    if isinstance(value, float):
        return True
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_WHOLE
