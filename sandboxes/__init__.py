"""Run untrusted commands: one small interface, several backends, the same promises checked on each."""
