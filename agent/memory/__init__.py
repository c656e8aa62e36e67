"""What a campaign remembers: the notebook, how alike two ideas are, and the brief made of both."""
