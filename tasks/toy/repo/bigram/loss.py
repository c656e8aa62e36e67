"""Loss of a smoothed bigram model."""

import math


def mean_loss(text, counts, letters, smoothing):
    """Mean bits per letter of the text under the model."""
    total = 0.0
    for position in range(len(text) - 1):
        first, second = text[position], text[position + 1]
        total += -math.log2(probability(first, second, counts, letters, smoothing))
    return total / (len(text) - 1)


def probability(first, second, counts, letters, smoothing):
    """Probability of the second letter after the first."""
    row_sum = 0
    for letter in letters:
        row_sum += counts[(first, letter)]
    return (counts[(first, second)] + smoothing) / (row_sum + smoothing * len(letters))
