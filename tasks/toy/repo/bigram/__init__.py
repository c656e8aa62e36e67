"""A smoothed bigram model of letters."""
