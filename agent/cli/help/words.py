"""The words of `rsi help`: what may be asked for, and how a word that is none is answered."""

import argparse
from collections.abc import Iterable, Sequence

from rsi.agent.cli.grammar import Verb
from rsi.agent.cli.help.topics import NAMES

COCKPIT = ("tui", "web")
"""Verbs that are not the command line's own."""


def topic_names(verbs: Iterable[Verb]) -> tuple[str, ...]:
    """What `rsi help` takes: topics, then verbs."""
    return tuple(dict.fromkeys((*NAMES, *(each.name for each in verbs), *COCKPIT)))


def help_words(parser: argparse.ArgumentParser, verbs: Iterable[Verb]) -> None:
    """Add the words of `rsi help`.

    Args:
        parser: Of the verb.
        verbs: Which can be asked about besides the topics.
    """
    known = topic_names(verbs)
    parser.add_argument(
        "topic",
        nargs="?",
        type=lambda word: _known(word, known),
        metavar="TOPIC",
        help=f"{', '.join(NAMES)}; or a verb",
    )
    parser.add_argument(
        "--man", action="store_true", help="print the manual page: rsi help --man > rsi.1"
    )


def _known(word: str, known: Sequence[str]) -> str:
    if word not in known:
        from rsi.tasks.format.toml_files import did_you_mean

        near = did_you_mean(word, known)
        raise argparse.ArgumentTypeError(f"no topic {word!r}{near or '; `rsi help` lists them'}")
    return word
