"""A real worker: SIGKILLs itself once at a named place, such as "measure:after"; with "stays" it waits for more when idle."""

import logging
import os
import signal
import sys

from rsi.agent.queue.worker import run_worker
from rsi.agent.store.home import Home

fault, stays = sys.argv[1], "stays" in sys.argv[2:]
logging.basicConfig(level=logging.INFO, stream=sys.stderr)


def on_step(name):
    """Names look like "c1120-4f2a-0001/0/measure:before"."""
    if fault and name.endswith("/" + fault):
        os.kill(os.getpid(), signal.SIGKILL)


run_worker(Home.find(), exit_when_idle=not stays, on_step=on_step)
