"""Make a task of a repo whose author writes no code for it: everything follows from what was typed and what was seen."""
