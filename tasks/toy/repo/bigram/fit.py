"""Fit the model: count on the first part of the text, choose the smoothing on the rest."""

from bigram.count import count_pairs
from bigram.loss import mean_loss

SMOOTHINGS = (0.01, 0.1, 0.5, 1.0, 2.0)
VALIDATION_PART = 0.2


def fit(text):
    """Counts of letter pairs and the smoothing that predicts the text's end best."""
    letters = find_letters(text)
    split = int(len(text) * (1 - VALIDATION_PART))
    train, validation = text[:split], text[split:]
    counts = count_pairs(train, letters)
    best, best_loss = None, None
    for smoothing in SMOOTHINGS:
        loss = mean_loss(validation, counts, letters, smoothing)
        if best_loss is None or loss < best_loss:
            best, best_loss = smoothing, loss
    counts = count_pairs(text, letters)
    rows = [[counts[(first, second)] for second in letters] for first in letters]
    return {"letters": "".join(letters), "counts": rows, "smoothing": best}


def find_letters(text):
    """The letters of the text in alphabetical order."""
    letters = []
    for letter in text:
        if letter not in letters:
            letters.append(letter)
    return sorted(letters)
