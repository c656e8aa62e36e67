"""The workbench: the agent's repo in its sandbox, and the tools that read, change, run and measure it."""
