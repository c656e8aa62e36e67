"""A diff over the whole screen, opened from wherever two commits are at hand."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from rsi.tui.draw.styled import EMPTY_LINE, Role, line
from rsi.tui.model.diffs import Diff
from rsi.tui.widgets.bars import Bar
from rsi.tui.widgets.diffview import DiffView


class DiffDialogue(ModalScreen[None]):
    """Shows one diff until it is closed."""

    DEFAULT_CSS = """
    DiffDialogue { background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", show=False),
    ]

    def __init__(self, title: str, diff: Diff, *, is_split: bool) -> None:
        super().__init__()
        self._heading = title
        self._diff = diff
        self._is_split = is_split

    def compose(self) -> ComposeResult:
        yield DiffView(heading=self._heading)
        yield Bar(dom_id="diff-keys")

    def on_mount(self) -> None:
        view = self.query_one(DiffView)
        view.is_split = self._is_split
        view.empty = (EMPTY_LINE, line("There is no difference.", Role.DIM))
        view.set_diff(self._diff, key=self._heading)
        view.focus()
        self.query_one("#diff-keys", Bar).set_line(
            [(" esc", Role.KEY), (" close  ", Role.TEXT), ("[ ]", Role.KEY), (" hunks  ", Role.TEXT),
             ("{ }", Role.KEY), (" files  ", Role.TEXT), ("v", Role.KEY), (" split ", Role.TEXT)]
        )  # fmt: skip

    def action_close(self) -> None:
        self.dismiss()
