"""Trusted side of the lm_training task: makes instances and grades what candidates leave behind.

Does not: import torch, or run anything a candidate wrote. Needs numpy alone.
"""
