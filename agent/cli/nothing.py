"""`rsi` without a verb, when it comes here, has no cockpit to open."""

import argparse
import sys


def explain(_: argparse.Namespace) -> int:
    """Say what to type instead."""
    print(
        "rsi: no verb; `rsi --help` lists them, `rsi` on a terminal opens the cockpit",
        file=sys.stderr,
    )
    return 2
