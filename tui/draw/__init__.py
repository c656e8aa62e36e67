"""Styled lines, the words in them, and how they become terminal cells."""
