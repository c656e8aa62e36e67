"""The ledger's facts, one module a kind: how each is written once and read back."""
