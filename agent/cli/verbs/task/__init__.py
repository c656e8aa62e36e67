"""The verbs below `rsi task`."""
