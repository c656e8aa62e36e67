"""Verbs of the self-training task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import SelfTrainingHarness

raise SystemExit(run_harness(SelfTrainingHarness()))
