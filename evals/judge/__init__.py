"""From measurements to a verdict: sequential tests, quality, guards, plausibility."""
