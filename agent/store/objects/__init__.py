"""Where large contents of the ledger lie when they do not lie in its database."""
