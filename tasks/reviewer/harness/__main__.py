"""Verbs of the reviewer task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import ReviewerHarness

raise SystemExit(run_harness(ReviewerHarness()))
