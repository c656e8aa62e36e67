"""Run untrusted commands: one small interface, several backends, the same guarantees checked on each."""
