"""Verbs by which the command line describes itself: help on a topic, the manual page, completion of words."""

import argparse
import json
import shutil

from rsi.agent.cli.completing import SCRIPTS, candidates
from rsi.agent.cli.help.manual import manual
from rsi.agent.cli.help.topics import NAMES, as_text, topic
from rsi.agent.cli.help.words import COCKPIT
from rsi.agent.cli.parser import VERBS, build_parser

MOST_COLUMNS = 100
"""Longer lines are hard to read, however wide the terminal is."""


def help_(args: argparse.Namespace) -> int:
    """List the topics, show one, show what a verb takes, or print the manual page."""
    if args.man:
        text = _manual()
    elif args.topic is None:
        text = _list()
    elif args.topic in NAMES:
        columns = shutil.get_terminal_size().columns
        text = as_text(topic(args.topic), min(columns, MOST_COLUMNS))
    elif args.topic in COCKPIT:
        text = (
            f"`rsi {args.topic} --help` says what it takes; `rsi help keys` has the cockpit's keys"
        )
    else:
        text = _verb_help(args.topic)
    print(json.dumps({"topic": args.topic, "text": text}) if args.json else text.rstrip("\n"))
    return 0


def _list() -> str:
    width = max(map(len, NAMES))
    rows = [f"  {each.name:<{width}}  {each.title}" for each in map(topic, NAMES)]
    end = "`rsi help TOPIC` shows one, `rsi VERB --help` what a verb takes, `rsi --help` lists the verbs"
    return "\n".join(["topics:", *rows, "", end])


def _verb_help(name: str) -> str:
    actions = build_parser()._actions
    (verbs,) = (each for each in actions if isinstance(each, argparse._SubParsersAction))
    text: str = verbs.choices[name].format_help()
    return text


def _manual() -> str:
    from importlib.metadata import version

    return manual(VERBS, map(topic, NAMES), version=version("rsi-lab"))


def completion(args: argparse.Namespace) -> int:
    """Print the script of a shell, or with `next` what may follow the words so far."""
    if args.shell == "next":
        found = candidates(build_parser(), args.words)
        print(json.dumps(found) if args.json else "\n".join(found))
    else:
        script = SCRIPTS[args.shell]
        print(json.dumps({"script": script}) if args.json else script.rstrip("\n"))
    return 0
