"""Who may do what, and within which limits: pure rules over the ledger's facts."""
