"""Verbs of the scaffold task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import ScaffoldHarness

raise SystemExit(run_harness(ScaffoldHarness()))
