"""Entry of the task: let the loop improve the model until the budget is spent. Protected."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from engine import Engine
from harness_link import Refused, connect
from harness_link.frames import FrameError
from loop import improve


def main():
    """A call that would go over the budget is refused, and the run ends there with what was learnt.

    Where the harness ends the run itself, it has said why in its result.
    """
    with connect() as harness:
        engine = Engine(harness)
        try:
            improve(engine, np.random.default_rng(int(os.environ["RSI_SEED"])))
        except (Refused, FrameError, ConnectionError) as end:
            print(f"ended with {engine.left:.0f} tokens left: {end}", flush=True)


if __name__ == "__main__":
    main()
