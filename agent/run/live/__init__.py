"""What runs and models say while they say it, streamed into the ledger."""
