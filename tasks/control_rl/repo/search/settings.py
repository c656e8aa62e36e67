"""Sizes and step sizes of the search."""

CLOCK_HZ = 2.0
UPDATES_PER_CPU_S = 1.25
"""Updates for each second of the budget; a quarter to a half of it is used, so that a slower machine keeps within it."""
DIRECTIONS = 4
"""Tried in each update, each both ways."""
EPISODE_S = 2.0
NOISE = 0.1
STEP = 0.1
FALL_COST = 0.5
"""Metres that a fall takes from an episode's reward."""
