"""Grader of the C training task: the same training in double precision, and the clock."""
