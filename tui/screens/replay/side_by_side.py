"""Two trajectories side by side: their steps aligned, from the first at which they part, and both steps whole below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, TrajectoryEvent
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.styled import DASH, EMPTY_LINE, Role, line
from rsi.tui.model.alignment import Compared, StepPair, aligned, compared, first_difference
from rsi.tui.model.trajectory import SIGNS, Headline, event_lines
from rsi.tui.screens.dialogues.steering import SteeringActions
from rsi.tui.waiting import when_done
from rsi.tui.widgets.bars import Bar
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

Of = tuple[str, AgentRole]
"""A round and one of its agents."""

PAGE_EVENTS = 200
MOST_EVENTS = 5_000
"""Of each trajectory; what comes later is left out, and the heading says so."""
STEP_CELLS, KIND_CELLS = 5, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two trajectories, aligned."""

    left: Of
    right: Of
    pairs: tuple[StepPair, ...]
    is_cut: bool
    """One of them has more steps than are compared."""


def compare(ledger: Ledger, left: Of, right: Of) -> Comparison:
    """Read both and align them; seconds where they are long."""
    sides = [_steps(ledger, each) for each in (left, right)]
    cut = [side[:MOST_EVENTS] for side in sides]
    return Comparison(
        left=left, right=right, pairs=aligned(*cut),
        is_cut=any(len(side) > MOST_EVENTS for side in sides),
    )  # fmt: skip


def _steps(ledger: Ledger, of: Of) -> Sequence[Compared]:
    found: list[Compared] = []
    while len(found) <= MOST_EVENTS:
        after = found[-1].headline.seq if found else -1
        page = ledger.events(of[0], of[1], after, PAGE_EVENTS)
        found += [compared(each) for each in page]
        if len(page) < PAGE_EVENTS:
            break
    return found


def show_side_by_side(screen: SteeringActions, left: Of, right: Of) -> None:
    """Compare two trajectories and show them in front of a screen."""
    screen.cockpit.say(f"comparing {left[0]} and {right[0]} …")

    def arrived(found: Comparison) -> None:
        screen.push_over(SideBySide(screen.cockpit, found))

    future = screen.cockpit.work_aside(lambda ledger: compare(ledger, left, right))
    when_done(screen, future, arrived, screen.say_problem)


class Half(Paper):
    """One of the two steps; what scrolls it scrolls the other."""

    other: "Half | None" = None

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self.other is not None and self.other.scroll_y != new_value:
            self.other.scroll_to(y=new_value, animate=False, force=True)


class SideBySide(ModalScreen[None]):
    """Both trajectories in one table, a step a line; below it what the two steps under the cursor say."""

    DEFAULT_CSS = """
    SideBySide { background: $background; layout: vertical; }
    SideBySide #pairs { height: 1fr; }
    SideBySide #halves { height: 1fr; }
    SideBySide Half { width: 1fr; padding: 0 1 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", show=False),
        Binding("right_square_bracket,n", "difference(1)", "Next", show=False),
        Binding("left_square_bracket,N", "difference(-1)", "Before", show=False),
        Binding("o", "pager", "Pager", show=False),
    ]

    def __init__(self, cockpit: Cockpit, found: Comparison) -> None:
        super().__init__()
        self._cockpit = cockpit
        self._found = found
        self._parted = first_difference(found.pairs)
        self._shown: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        left, right = (name(each) for each in (self._found.left, self._found.right))
        columns = (
            Column(title="", width=2),
            Column(title=left, min_width=10),
            Column(title=right, min_width=10),
        )
        yield VTable(columns, heading=self._heading(), dom_id="pairs")
        with Horizontal(id="halves"):
            yield Half(heading=left, dom_id="left")
            yield Half(heading=right, dom_id="right")
        yield Bar(dom_id="side-keys")

    def on_mount(self) -> None:
        left, right = self.query_one("#left", Half), self.query_one("#right", Half)
        left.other, right.other = right, left
        table = self.table
        table.empty = (EMPTY_LINE, line("Neither has a step.", Role.DIM))
        table.scroll_share = 0.5
        table.set_rows([str(at) for at in range(len(self._found.pairs))], self._row)
        table.focus()
        self.query_one("#side-keys", Bar).set_line(
            [(" esc", Role.KEY), (" close  ", Role.TEXT), ("j k", Role.KEY), (" both steps  ", Role.TEXT),
             ("[ ]", Role.KEY), (" differences  ", Role.TEXT), ("tab", Role.KEY), (" scroll below  ", Role.TEXT),
             ("o", Role.KEY), (" pager ", Role.TEXT)]
        )  # fmt: skip
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        if self._parted is not None:
            self.table.move_cursor(self._parted)
        self._show_steps()

    @property
    def table(self) -> VTable:
        return self.query_one("#pairs", VTable)

    @property
    def pair(self) -> StepPair | None:
        """The line under the cursor."""
        at = self.table.cursor
        return self._found.pairs[at] if at < len(self._found.pairs) else None

    def _heading(self) -> str:
        cut = f", the first {MOST_EVENTS:,} steps of each" if self._found.is_cut else ""
        if self._parted is None:
            return f"The same, step by step{cut}"
        here = self._found.pairs[self._parted]
        seq = next(each.seq for each in (here.left, here.right) if each is not None)
        return f"They part at step {seq}{cut}"

    def _row(self, index: int) -> Row:
        pair = self._found.pairs[index]
        sign = "" if pair.is_same else "≠"
        return (sign, Role.WARN), _cell(pair.left, pair.is_same), _cell(pair.right, pair.is_same)

    # --- both steps, whole ---

    @on(LinesView.CursorMoved, "#pairs")
    def _moved(self) -> None:
        self._show_steps()

    def _show_steps(self) -> None:
        pair = self.pair
        if pair is None:
            return
        wanted = tuple(None if each is None else each.seq for each in (pair.left, pair.right))
        if wanted == self._shown:
            return
        self._shown = wanted
        of = (self._found.left, self._found.right)

        def work(ledger: Ledger) -> list[TrajectoryEvent | None]:
            return [_event(ledger, one, seq) for one, seq in zip(of, wanted, strict=True)]

        def arrived(found: list[TrajectoryEvent | None]) -> None:
            # The cursor may have gone on meanwhile.
            if wanted == self._shown:
                for dom_id, event in zip(("#left", "#right"), found, strict=True):
                    lines = (
                        [line("no step here", Role.DIM)] if event is None else event_lines(event)
                    )
                    self.query_one(dom_id, Half).set_lines(lines, from_top=True)

        def failed(_: Exception) -> None:
            # Asked for again with the next move; the state line says that the ledger cannot be read.
            self._shown = ()

        when_done(self, self._cockpit.ask_ledger(work), arrived, failed)

    # --- keys ---

    def action_difference(self, by: int) -> None:
        """To the next stretch that differs, or the one before."""
        pairs, at = self._found.pairs, self.table.cursor
        begins = [
            number for number, each in enumerate(pairs)
            if not each.is_same and (number == 0 or pairs[number - 1].is_same)
        ]  # fmt: skip
        wanted = [each for each in begins if (each > at if by > 0 else each < at)]
        if wanted:
            self.table.move_cursor(wanted[0] if by > 0 else wanted[-1])

    def action_pager(self) -> None:
        texts = [f"--- {each.heading}\n{each.plain_text()}" for each in self.query(Half)]
        self._cockpit.open_outside("\n".join(texts), suffix=".txt", variable="PAGER")

    def action_close(self) -> None:
        self.dismiss()


def name(of: Of) -> str:
    """What a trajectory is called."""
    return of[0] if of[1] is AgentRole.PROPOSER else f"{of[0]}, {of[1].value}"


def _cell(step: Headline | None, is_same: bool) -> tuple[str, Role]:
    if step is None:
        return DASH, Role.DIM
    sign, _ = SIGNS[step.group]
    text = f"{step.seq:>{STEP_CELLS}} {sign:<{KIND_CELLS}} {step.text}"
    return text, Role.DIM if is_same else Role.BAD if step.is_error else Role.TEXT


def _event(ledger: Ledger, of: Of, seq: int | None) -> TrajectoryEvent | None:
    found = () if seq is None else ledger.events(of[0], of[1], seq - 1, 1)
    return found[0] if found and found[0].seq == seq else None
