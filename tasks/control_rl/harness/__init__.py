"""Trusted side of the control task."""
