"""Deterministic rules that read a candidate's source: one module a family of cheats, each finding with file and line."""
