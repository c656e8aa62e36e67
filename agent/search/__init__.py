"""Search strategies: which candidate to build on next, chosen from facts alone."""
