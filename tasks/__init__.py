"""What may be changed, how it is run and what counts: one folder a task, one loader."""
