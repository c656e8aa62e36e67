"""Read the ledger into what the screens show."""
