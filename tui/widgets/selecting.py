"""Text selected with the mouse in a view of lines: how it is marked, and what is copied of it.

Columns are cells of what is drawn, so that what is copied is what was seen, glyphs for control characters included.
"""

from collections.abc import Callable

from rich.style import Style
from textual.selection import Selection
from textual.strip import Strip


def marked(strip: Strip, selection: Selection | None, index: int, look: Style) -> Strip:
    """A line with its selected part marked.

    Args:
        strip: The line as it is drawn.
        selection: What is selected; None for nothing.
        index: The line's number.
        look: Laid over what is selected.
    """
    span = None if selection is None else selection.get_span(index)
    if span is None:
        return strip
    start, end = span[0], strip.cell_length if span[1] < 0 else span[1]
    if start >= end:
        return strip
    before, middle, after = strip.divide([start, end, strip.cell_length]) if start else (
        Strip([]), *strip.divide([end, strip.cell_length])
    )  # fmt: skip
    # apply_style lays a style under a segment's own; what is selected must be seen over any of them.
    middle = Strip([type(each)(each.text, (each.style or Style()) + look) for each in middle])
    return Strip.join([before, middle, after])


def selected_text(selection: Selection, count: int, strip_at: Callable[[int], Strip]) -> str:
    """The text of what is selected, without the blanks that fill lines up.

    Args:
        selection: From where to where.
        count: Lines of the view.
        strip_at: A line as it is drawn.
    """
    first = 0 if selection.start is None else selection.start.y
    last = count - 1 if selection.end is None else min(selection.end.y, count - 1)
    lines = []
    for index in range(max(0, first), last + 1):
        span = selection.get_span(index)
        if span is not None:
            strip = strip_at(index)
            end = strip.cell_length if span[1] < 0 else span[1]
            lines.append(strip.crop(span[0], end).text.rstrip())
    return "\n".join(lines)
