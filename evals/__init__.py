"""Turn runs into evidence: pairing, statistics, guards, cheat detection, scores."""
