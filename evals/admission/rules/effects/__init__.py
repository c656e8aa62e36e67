"""Rules about what a program does to others: files, processes, the environment, time, the interpreter."""
