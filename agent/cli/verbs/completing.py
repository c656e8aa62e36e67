"""`rsi completion`: a script for a shell, and what that script asks."""

import argparse
import json

from rsi.agent.cli.completing import SCRIPTS, candidates
from rsi.agent.cli.parser import build_parser


def completion(args: argparse.Namespace) -> int:
    """Print the script of a shell, or with `next` what may follow the words so far."""
    if args.shell == "next":
        found = candidates(build_parser(), args.words)
        print(json.dumps(found) if args.json else "\n".join(found))
    else:
        script = SCRIPTS[args.shell]
        print(json.dumps({"script": script}) if args.json else script.rstrip("\n"))
    return 0
