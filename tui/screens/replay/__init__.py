"""Replay: an agent's steps, one by one."""
