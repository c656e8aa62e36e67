"""Models that need no provider: one that plays a script, one that says a recording again."""
