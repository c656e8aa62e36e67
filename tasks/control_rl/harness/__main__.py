"""Verbs of the control task's harness; see harness_kit."""

from harness_kit import run_harness

from harness.task import ControlHarness

raise SystemExit(run_harness(ControlHarness()))
