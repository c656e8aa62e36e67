"""Run a task: make an instance, run a candidate, grade what it left."""
