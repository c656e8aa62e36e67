"""Trusted side of the toy task."""
