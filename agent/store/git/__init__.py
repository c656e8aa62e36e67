"""The lineages' repositories: bare git, trees as bytes, the champion's reference."""
