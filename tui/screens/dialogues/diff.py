"""A diff over the whole screen, opened from wherever two commits are at hand."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.styled import EMPTY_LINE, Role, Span, line
from rsi.tui.model.diffs import Diff
from rsi.tui.widgets.bars import Bar
from rsi.tui.widgets.diffview import DiffView


class DiffDialogue(ModalScreen[bool | None]):
    """Shows one diff until it is closed."""

    DEFAULT_CSS = """
    DiffDialogue { background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", show=False),
        Binding("o", "pager", "Pager", show=False),
    ]

    def __init__(self, cockpit: Cockpit, title: str, diff: Diff, *, text: str) -> None:
        """Prepare the dialogue.

        Args:
            cockpit: In front of which it is shown; its settings say whether sides are split.
            title: What is compared.
            diff: What is shown.
            text: The same as git printed it, for a pager.
        """
        super().__init__()
        self._cockpit = cockpit
        self._text = text
        self._heading = title
        self._diff = diff

    def compose(self) -> ComposeResult:
        yield DiffView(heading=self._heading)
        yield Bar(dom_id="diff-keys")

    def on_mount(self) -> None:
        view = self.query_one(DiffView)
        view.is_split = self._cockpit.settings.diff_split
        view.empty = (EMPTY_LINE, line("There is no difference.", Role.DIM))
        view.set_diff(self._diff, key=self._heading)
        view.focus()
        self.query_one("#diff-keys", Bar).set_line(self.key_spans())

    def key_spans(self) -> list[Span]:
        """The keys, for the last line."""
        return [
            (" esc", Role.KEY), (" close  ", Role.TEXT), ("[ ]", Role.KEY), (" hunks  ", Role.TEXT),
            ("{ }", Role.KEY), (" files  ", Role.TEXT), ("v", Role.KEY), (" split  ", Role.TEXT),
            ("o", Role.KEY), (" pager ", Role.TEXT),
        ]  # fmt: skip

    def action_pager(self) -> None:
        self._cockpit.open_outside(self._text, suffix=".diff", variable="PAGER")

    def action_close(self) -> None:
        self.dismiss()
