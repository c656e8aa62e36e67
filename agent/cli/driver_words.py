"""The words below `rsi scaffold` and `rsi reviewer`: list, tree, show, use, rollback, compare; and those of `rsi agenda`."""

import argparse

from rsi.agent.cli.grammar import Verb, add_sandbox


def _digest(word: argparse.ArgumentParser) -> None:
    word.add_argument(
        "digest", nargs="?", help="beginning of a version's digest (default: the one in use)"
    )


def _use(word: argparse.ArgumentParser) -> None:
    word.add_argument("digest", help="beginning of the digest of a version in the list")
    word.add_argument("--reason", default="", help="why, in words")


def _rollback(word: argparse.ArgumentParser) -> None:
    word.add_argument("--reason", default="", help="why, in words")


def _compare(word: argparse.ArgumentParser) -> None:
    word.add_argument(
        "digest", nargs="?", help="version to measure, or a folder (default: the one in use)"
    )
    word.add_argument(
        "--against", metavar="DIGEST", help="version or folder (default: what ships with rsi)"
    )
    word.add_argument("--pairs", type=int, help="pairs of runs (default: the plan's)")
    add_sandbox(word, "backend to run in")


def agenda_words(word: argparse.ArgumentParser) -> None:
    """Which line of the agenda to queue, and what a machine costs."""
    word.add_argument(
        "--queue", type=int, metavar="N", help="queue the campaign of this line, and follow it"
    )
    word.add_argument("--detach", action="store_true", help="queue it and return")
    word.add_argument(
        "--hour-usd",
        type=float,
        default=1.0,
        help="dollars that an hour of a machine counts as, beside the models' bill (default: 1)",
    )


DRIVER_WORDS = (
    Verb("list", "drivers", "every version that was promoted, and the one that is in use"),
    Verb("tree", "drivers", "every candidate that was kept, below what it was built on"),
    Verb("show", "drivers", "the files of a version", _digest),
    Verb("use", "drivers", "let a version of the list drive the next campaign", _use),
    Verb("rollback", "drivers", "go back to the version before the one in use", _rollback),
    Verb("compare", "drivers", "measure a version against another on fresh instances", _compare),
)
