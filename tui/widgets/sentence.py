"""A few plain words over everything else on a screen, as high as they need."""

from rsi.tui.draw.styled import Line
from rsi.tui.widgets.paper import Paper


class Sentence(Paper):
    """Takes the rows that its words need, and none without words."""

    DEFAULT_CSS = """
    Sentence { height: 0; padding: 0 1; }
    """
    can_focus = False

    def __init__(self, *, most_rows: int = 3, dom_id: str | None = None) -> None:
        """Make one.

        Args:
            most_rows: What is longer is cut; the proof below says it all.
            dom_id: Its name on the screen.
        """
        super().__init__(indent=2, dom_id=dom_id)
        self._most_rows = most_rows

    def set_sentence(self, *lines: Line) -> None:
        """Say something else."""
        self.set_lines(lines)
        self._take_rows()

    def refit(self) -> None:
        super().refit()
        self._take_rows()

    def _take_rows(self) -> None:
        rows = min(self._most_rows, self.line_count())
        if self.styles.height is None or self.styles.height.value != rows:
            self.styles.height = rows
