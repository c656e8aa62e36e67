"""Verbs of the C training task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import TrainingHarness

raise SystemExit(run_harness(TrainingHarness()))
