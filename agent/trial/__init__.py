"""Try a repo of somebody's own: from one command to the first honest number, and on from there."""
