"""Verbs of the toy task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import ToyHarness

raise SystemExit(run_harness(ToyHarness()))
