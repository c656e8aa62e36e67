"""Verbs of the lm_training harness; see harness_kit."""

import os

# Before numpy loads its thread pool: idle threads that spin would cost more than the arithmetic.
os.environ.setdefault("OPENBLAS_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))

from harness_kit import run_harness

from harness.task import TrainingHarness

raise SystemExit(run_harness(TrainingHarness()))
