"""What the command line says of itself at length: topics, and a manual page that is made of the same text."""
