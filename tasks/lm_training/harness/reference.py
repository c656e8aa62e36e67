"""What training has to leave on the track `systems`: the starting trainer's own weights, made once for each instance.

Does not: run anything of a candidate. `repo` beside the harness is the task's, whatever the champion became.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent / "repo"
"""The starting repository; the host puts it beside harness and kit."""
REFERENCE_FILE = "reference.npz"
HARNESS_VARIABLES = ("PYTHONPATH", "RSI_TASK_JSON")
"""Told to a harness alone."""


def train_reference(*, public: Path, secret: Path, profile: str) -> None:
    """Run the starting trainer as a candidate is run, and keep its weights in the secret part.

    Args:
        public: The finished public part of the instance; its settings hold the training seed.
        secret: Where the weights are left.
        profile: Told to the trainer.

    Raises:
        subprocess.CalledProcessError: The trainer failed; its words are on standard error.
    """
    given = {name: value for name, value in os.environ.items() if name not in HARNESS_VARIABLES}
    with tempfile.TemporaryDirectory(prefix="reference-") as name:
        exchange = Path(name)
        shutil.copytree(public, exchange / "public")
        told = {"RSI_IO": name, "RSI_PROFILE": profile, "RSI_SEED": "0"}
        subprocess.run(
            [sys.executable, "-P", "run.py"],
            cwd=REPO,
            env={**given, **told},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        shutil.copyfile(exchange / "out" / "weights.npz", secret / REFERENCE_FILE)
