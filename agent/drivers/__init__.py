"""Scaffolds and reviewers as lineages: which versions there are, and which one drives the next campaign."""
