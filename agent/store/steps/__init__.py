"""What each of a round's twelve steps leaves, as one frozen class a step, and its JSON in the ledger."""
