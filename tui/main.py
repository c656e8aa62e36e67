"""The command `rsi`: verbs go to the command line, which never imports Textual; alone it opens the cockpit.

Invariant: `rsi --help` imports neither Textual nor a provider's SDK.
"""

import sys
from collections.abc import Sequence

COCKPIT_VERBS = ("tui", "web")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Words after the program's name; those of the process when None.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    is_for_cockpit = not words or words[0] in COCKPIT_VERBS
    if not is_for_cockpit or (not words and not _is_terminal()):
        from rsi.agent.cli import main as command_line

        return command_line(words, cockpit=_open_on if _is_terminal() else None)
    from rsi.tui.start import start

    return start(words)


def _open_on(campaign_id: str) -> None:
    """Show a campaign live until the person leaves."""
    from rsi.tui.start import open_on

    open_on(campaign_id)


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


if __name__ == "__main__":
    sys.exit(main())
