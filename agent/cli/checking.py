"""`rsi doctor`: may a campaign start on this machine?"""

import argparse


def doctor(args: argparse.Namespace) -> int:
    """Say whether a campaign may start on this machine."""
    raise NotImplementedError
