"""Verbs of the time-series task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import TimeSeriesHarness

raise SystemExit(run_harness(TimeSeriesHarness()))
