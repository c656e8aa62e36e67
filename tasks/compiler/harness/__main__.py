"""Verbs of the compiler task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import CompilerHarness

raise SystemExit(run_harness(CompilerHarness()))
