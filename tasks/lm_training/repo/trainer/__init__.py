"""Trains a small byte-level language model."""
