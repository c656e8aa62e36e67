"""Count letter pairs."""


def count_pairs(text, letters):
    """How often each pair of letters occurs in the text."""
    counts = {}
    for first in letters:
        for second in letters:
            counts[(first, second)] = 0
    for position in range(len(text) - 1):
        pair = (text[position], text[position + 1])
        counts[pair] = counts[pair] + 1
    return counts
