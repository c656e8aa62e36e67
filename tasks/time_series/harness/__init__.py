"""Harness of the time-series task: generators of six families, their own forecasts, and the order of revelation."""
