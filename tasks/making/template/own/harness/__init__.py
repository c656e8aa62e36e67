"""Trusted side of the task: never in a candidate's sandbox, never shown to the agent."""
