"""What screens say, as lines made of the view alone."""
