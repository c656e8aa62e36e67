"""The proposer: a model that reads, changes and runs a repo in a sandbox until it submits one idea."""
