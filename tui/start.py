"""From the words `rsi`, `rsi tui ...` and `rsi web ...` to a running cockpit."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rsi.agent.errors import AgentError
from rsi.agent.store.home import Home
from rsi.tui.errors import CockpitError
from rsi.tui.opening import open_ledger, require_terminal, saying_that_it_opens

EXIT_OK = 0
EXIT_UNAVAILABLE = 5
EXIT_BAD_INPUT = 6


def start(words: Sequence[str]) -> int:
    """Open the cockpit, or serve it.

    Args:
        words: Words after the program's name; none of them means the cockpit.

    Returns:
        The exit code, as `rsi --help` lists them.
    """
    args = _parser().parse_args(list(words) or ["tui"])
    try:
        if args.verb == "web":
            from rsi.tui.web.server import serve

            return serve(args)
        return _open(args)
    except BrokenPipeError:
        # Whoever read the output has had enough; the interpreter's own flush at the end must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except (AgentError, CockpitError) as error:
        sys.stderr.write(f"rsi: {error}\n")
        return EXIT_BAD_INPUT if isinstance(error, CockpitError) else EXIT_UNAVAILABLE


def _parser() -> argparse.ArgumentParser:
    from rsi.tui.model.commands import SCREENS

    parser = argparse.ArgumentParser(prog="rsi", description="The cockpit.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    tui = verbs.add_parser("tui", help="open the cockpit in this terminal")
    tui.add_argument(
        "--read-only", action="store_true", help="write no decision, no request and no file"
    )
    tui.add_argument(
        "--demo", action="store_true", help="play a recorded campaign; nothing is written"
    )
    modes = [each.value for each in SCREENS.values()]
    tui.add_argument("--screen", choices=modes, default=modes[0], help="the screen to open with")
    tui.add_argument(
        "--keys", action="store_true", help="print every command with its keys and exit"
    )
    web = verbs.add_parser("web", help="serve the cockpit to a browser, read-only by default")
    web.add_argument(
        "--port",
        type=int,
        default=8321,
        help="port on the loopback interface (default: %(default)s)",
    )
    web.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    web.add_argument(
        "--allow-decisions", action="store_true", help="let whoever has the token decide"
    )
    web.add_argument(
        "--origin",
        action="append",
        default=[],
        help="another origin to trust, such as https://lab.example",
    )
    web.add_argument("--demo", action="store_true", help="serve a recorded campaign")
    return parser


def _open(args: argparse.Namespace) -> int:
    if args.keys:
        print_keys()
        return EXIT_OK
    if args.demo:
        require_terminal()
        with saying_that_it_opens():
            from rsi.tui.demo.player import open_demo
        return open_demo(first_mode=args.screen)
    return _run(Home.find(), is_read_only=args.read_only, first_mode=args.screen, campaign_id=None)


def open_on(campaign_id: str) -> None:
    """Open the cockpit on one campaign; returns when the person leaves it.

    Raises:
        AgentError: The ledger cannot be opened.
        CockpitError: The settings file has a mistake.
    """
    _run(Home.find(), is_read_only=False, first_mode="run", campaign_id=campaign_id)


def _run(home: Home, *, is_read_only: bool, first_mode: str, campaign_id: str | None) -> int:
    with saying_that_it_opens():
        from rsi.tui.app import CockpitApp
        from rsi.tui.model.settings import load_settings, settings_path

    settings = load_settings(settings_path(home.root))
    with open_ledger(home, is_read_only=is_read_only) as ledger, _logging_to(home):
        require_terminal()
        app = CockpitApp(
            ledger,
            home=home,
            settings=settings,
            is_read_only=is_read_only,
            first_mode=first_mode,
            campaign_id=campaign_id,
        )
        app.run()
        return app.return_code or EXIT_OK


@contextmanager
def _logging_to(home: Home) -> Iterator[None]:
    """Send log lines to a file while the cockpit owns the terminal."""
    root = logging.getLogger()
    before = list(root.handlers)
    handler: logging.Handler
    try:
        handler = logging.FileHandler(home.logs / "cockpit.log", encoding="utf-8", delay=True)
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.handlers = [handler]
    try:
        yield
    finally:
        handler.close()
        root.handlers = before


def print_keys() -> None:
    """Every command with its id, keys and what it does, for the settings file."""
    from rsi.tui.model.commands import COMMANDS, shown_keys

    for each in COMMANDS:
        sys.stdout.write(f"{each.id:<26} {shown_keys(each.keys):<12} {each.keys:<34} {each.help}\n")
    sys.stdout.flush()
