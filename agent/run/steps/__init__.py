"""The twelve steps of a round, each a function of the round's context that returns one result."""
