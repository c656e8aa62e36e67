"""Verbs of the kernels task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import KernelsHarness

raise SystemExit(run_harness(KernelsHarness()))
