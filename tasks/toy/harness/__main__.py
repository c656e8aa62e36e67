"""Verbs of the toy task's harness; see harness_kit."""

from harness.task import ToyHarness
from harness_kit import run_harness

raise SystemExit(run_harness(ToyHarness()))
