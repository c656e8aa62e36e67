"""Make a task of somebody's training repo."""
