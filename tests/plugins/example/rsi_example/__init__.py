"""One of everything that may be added to rsi from outside."""
