"""The twelve steps of a round, each a function of the round's desk that returns one result."""
