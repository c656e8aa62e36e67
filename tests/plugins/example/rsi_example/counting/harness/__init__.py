"""The grader of the counting task."""
