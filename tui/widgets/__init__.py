"""Widgets drawn line by line: each costs what it shows, not what it holds."""
