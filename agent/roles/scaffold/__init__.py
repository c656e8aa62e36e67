"""Scaffolds: the prompts, tools and settings that drive a model, as versioned data."""
