"""Untrusted text made safe to draw; the same functions that the command line prints with.

The terminal of the command line needs the same walls as the cockpit's, and the room below cannot import this one,
so they live there; here is only what the second wall, at the terminal itself, asks.
"""

from rsi.agent.safe import (
    MAX_LINE_CHARACTERS,
    MAX_STACKED_MARKS,
    TAB_CELLS,
    hidden_characters,
    is_inert,
    safe_line,
    safe_log_line,
    safe_text,
    without_active,
)

__all__ = [
    "MAX_LINE_CHARACTERS",
    "MAX_STACKED_MARKS",
    "TAB_CELLS",
    "hidden_characters",
    "is_inert",
    "safe_line",
    "safe_log_line",
    "safe_text",
    "without_active",
]
