"""Read a candidate's source: names traced to what they mean, constant text folded."""
