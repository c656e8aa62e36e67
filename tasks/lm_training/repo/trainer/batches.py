"""Random training windows."""

import random

import torch


class Batches:
    """Draws batches of windows from a text."""

    def __init__(self, text: bytes, context: int, batch_size: int, seed: int) -> None:
        self.text = text
        self.context = context
        self.batch_size = batch_size
        self.random = random.Random(seed)

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets, each of shape (batch_size, context); targets are one byte ahead."""
        inputs, targets = [], []
        for _ in range(self.batch_size):
            start = self.random.randrange(len(self.text) - self.context - 1)
            window = list(self.text[start : start + self.context + 1])
            inputs.append(torch.tensor(window[:-1]))
            targets.append(torch.tensor(window[1:]))
        return torch.stack(inputs), torch.stack(targets)
