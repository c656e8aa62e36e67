"""`rsi completion`: a script for a shell, and what that script asks."""

import argparse

from rsi.agent.cli.completing import SCRIPTS, candidates
from rsi.agent.cli.parser import build_parser


def completion(args: argparse.Namespace) -> int:
    """Print the script of a shell, or with `next` what may follow the words so far."""
    if args.shell == "next":
        print("\n".join(candidates(build_parser(), args.words)))
    else:
        print(SCRIPTS[args.shell], end="")
    return 0
