"""Search for a policy."""
