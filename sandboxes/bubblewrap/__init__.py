"""The bubblewrap backend, and what backends without an engine share."""
