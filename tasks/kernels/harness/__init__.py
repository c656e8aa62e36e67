"""Harness of the kernels task: draws calls of five kernels, times the worker, compares every answer."""
