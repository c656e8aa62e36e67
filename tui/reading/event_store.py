"""A trajectory of any length in little memory: a few bytes for each event, and a few pages of whole ones.

Does not: read the ledger; it is handed events and says which page it lacks.
Invariant: events are added in order, each once; position i is the i-th event of its agent.
"""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import overload

from rsi.agent.store.records import TrajectoryEvent, TrajectoryKind
from rsi.tui.model import payloads
from rsi.tui.model.trajectory import (
    SHELL_TOOLS,
    Group,
    Headline,
    changes_files,
    group_of,
    headline,
    is_error,
)

PAGE_EVENTS = 64
PAGES_KEPT = 6
"""Pages of whole events, which may be large."""
HEADLINES_KEPT = 300
"""Pages of headlines: more than a screen has rows, each of which may be of another page when kinds are hidden."""
_GROUPS = tuple(Group)


class EventStore:
    """What is known about one agent's events in one round."""

    def __init__(self) -> None:
        self._seqs = array("q")
        self._groups = bytearray()
        self._errors = bytearray()
        self._calls = bytearray()
        self._costs = array("d")
        self._tokens = array("q")
        self._pages: OrderedDict[int, tuple[TrajectoryEvent, ...]] = OrderedDict()
        self._headlines: OrderedDict[int, tuple[Headline, ...]] = OrderedDict()
        self.edits: list[int] = []
        """Sequence numbers of calls that edit."""
        self.shells: list[int] = []
        """Sequence numbers of shell commands."""
        self.failed_calls: set[object] = set()
        """Ids of calls that were answered with an error."""
        self.base_commit = ""
        """The commit that the agent started from."""

    def __len__(self) -> int:
        return len(self._seqs)

    @property
    def last_seq(self) -> int:
        """Number of the last event known; -1 when there is none."""
        return self._seqs[-1] if self._seqs else -1

    def add(self, events: Sequence[TrajectoryEvent]) -> None:
        """Take in the events that follow the last one known."""
        for event in events:
            if event.seq <= self.last_seq:
                continue
            self._seqs.append(event.seq)
            self._groups.append(_GROUPS.index(group_of(event)))
            self._errors.append(is_error(event))
            self._calls.append(event.kind is TrajectoryKind.TOOL_CALL)
            self._costs.append(self.cost_at(len(self._costs) - 1) + (event.cost_usd or 0.0))
            tokens = (event.input_tokens or 0) + (event.output_tokens or 0)
            self._tokens.append(self.tokens_at(len(self._tokens) - 1) + tokens)
            self._note_tools(event)
        if self._seqs:
            # The last page may have been kept while it was still growing.
            self._drop_page((len(self._seqs) - len(events)) // PAGE_EVENTS)

    def add_page(self, page: int, events: Sequence[TrajectoryEvent]) -> None:
        """Keep the whole events of a page for a while."""
        self._pages[page] = tuple(events)
        self._pages.move_to_end(page)
        self._headlines[page] = tuple(headline(each) for each in events)
        self._headlines.move_to_end(page)
        while len(self._pages) > PAGES_KEPT:
            self._pages.popitem(last=False)
        while len(self._headlines) > HEADLINES_KEPT:
            self._headlines.popitem(last=False)

    def headline_at(self, position: int) -> Headline | None:
        """The headline of an event; None while its page is not here."""
        page = self._headlines.get(position // PAGE_EVENTS)
        offset = position % PAGE_EVENTS
        return page[offset] if page is not None and offset < len(page) else None

    def event_at(self, position: int) -> TrajectoryEvent | None:
        """A whole event; None while its page is not here."""
        page = self._pages.get(position // PAGE_EVENTS)
        offset = position % PAGE_EVENTS
        if page is not None:
            # What is looked at stays, though the pages of other rows come in.
            self._pages.move_to_end(position // PAGE_EVENTS)
        return page[offset] if page is not None and offset < len(page) else None

    def page_start(self, page: int) -> int | None:
        """The number after which a page's events come; None when there is no such page."""
        at = page * PAGE_EVENTS
        return self._seqs[at] - 1 if at < len(self._seqs) else None

    def group_at(self, position: int) -> Group:
        """Which filter an event belongs to."""
        return _GROUPS[self._groups[position]]

    def is_error_at(self, position: int) -> bool:
        """Whether something went wrong in an event."""
        return bool(self._errors[position])

    def is_call_at(self, position: int) -> bool:
        """Whether an event asks for a tool, rather than being its answer."""
        return bool(self._calls[position])

    def cost_at(self, position: int) -> float:
        """Dollars up to and with an event."""
        return self._costs[position] if 0 <= position < len(self._costs) else 0.0

    def tokens_at(self, position: int) -> int:
        """Tokens up to and with an event."""
        return self._tokens[position] if 0 <= position < len(self._tokens) else 0

    def seq_at(self, position: int) -> int:
        """The number of an event."""
        return self._seqs[position]

    def position_of(self, seq: int) -> int:
        """The position of an event, or of the one after it when it is not there."""
        return bisect_left(self._seqs, seq)

    def positions(self, keeps: Callable[[Group], bool]) -> "array[int]":
        """Positions of the events of some groups."""
        kept = [keeps(group) for group in _GROUPS]
        return array("q", (at for at, group in enumerate(self._groups) if kept[group]))

    def next_position(self, start: int, step: int, fits: Callable[[int], bool]) -> int | None:
        """The nearest position before or after one that fits."""
        at = start + step
        while 0 <= at < len(self._seqs):
            if fits(at):
                return at
            at += step
        return None

    def _note_tools(self, event: TrajectoryEvent) -> None:
        payload = event.payload
        if event.kind is TrajectoryKind.TOOL_CALL:
            name = payloads.text_of(payload, "name")
            if changes_files(payload, name):
                self.edits.append(event.seq)
            elif name in SHELL_TOOLS:
                self.shells.append(event.seq)
        elif event.kind is TrajectoryKind.TOOL_RESULT and payload.get("is_error") is True:
            self.failed_calls.add(payload.get("call_id"))
        elif event.kind is TrajectoryKind.SYSTEM and not self.base_commit:
            self.base_commit = payloads.text_of(payload, "base_commit")

    def _drop_page(self, first: int) -> None:
        for kept in (self._pages, self._headlines):
            for page in [page for page in kept if page >= first]:
                del kept[page]


class PositionIds(Sequence[str]):
    """Positions as row ids, made when asked for."""

    def __init__(self, positions: Sequence[int]) -> None:
        self.positions = positions

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [str(each) for each in self.positions[index]]
        return str(self.positions[index])

    def __iter__(self) -> Iterator[str]:
        return (str(each) for each in self.positions)

    def index(self, value: object, start: int = 0, stop: int | None = None) -> int:
        wanted = int(str(value))
        at = bisect_left(self.positions, wanted)
        if at < len(self.positions) and self.positions[at] == wanted:
            return at
        raise ValueError(f"{value!r} is not among the positions")
