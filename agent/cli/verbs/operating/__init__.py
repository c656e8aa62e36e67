"""Verbs for whoever operates machines: workers, and what keeps a home safe."""
