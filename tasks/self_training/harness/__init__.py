"""Harness of the self-training task: the weak model, its sampler, its optimiser and the meter."""
