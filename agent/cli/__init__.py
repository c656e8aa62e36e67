"""The command line: quick, scriptable, one clear sentence for every mistake.

`rsi --help` imports nothing but argparse; each verb imports what it needs when it runs.
"""

from rsi.agent.cli.entry import main

__all__ = ["main"]
