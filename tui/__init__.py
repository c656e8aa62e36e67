"""The cockpit: a client of the ledger that shows rounds and records decisions."""
