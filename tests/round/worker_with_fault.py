"""A real worker that SIGKILLs itself once at a named place, such as "measure:after"."""

import logging
import os
import signal
import sys

from rsi.agent.queue.worker import run_worker
from rsi.agent.store.home import Home

fault = sys.argv[1]
logging.basicConfig(level=logging.INFO, stream=sys.stderr)


def on_step(name):
    """Names look like "c1120-4f2a-0001/0/measure:before"."""
    if fault and name.endswith("/" + fault):
        os.kill(os.getpid(), signal.SIGKILL)


run_worker(Home.find(), exit_when_idle=True, on_step=on_step)
