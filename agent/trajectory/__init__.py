"""Trajectories: read back from the ledger, taken to other formats and back, replayed and forked."""
