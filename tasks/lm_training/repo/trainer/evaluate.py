"""Bits per byte of a model on a text, scored as the harness does: windows side by side."""

import math

import torch
from torch.nn import functional

from trainer.model import VOCABULARY, Model


@torch.no_grad()
def bits_per_byte(model: Model, text: bytes, context: int, batch_size: int) -> float:
    """Mean -log2 P(byte | earlier bytes of its window)."""
    model.eval()
    count = (len(text) - 1) // context
    stream = torch.tensor(list(text[: count * context + 1]))
    inputs, targets = stream[:-1].view(count, context), stream[1:].view(count, context)
    nats = 0.0
    for start in range(0, count, batch_size):
        scores = model(inputs[start : start + batch_size]).view(-1, VOCABULARY)
        wanted = targets[start : start + batch_size].reshape(-1)
        nats += functional.cross_entropy(scores, wanted, reduction="sum").item()
    model.train()
    return nats / (count * context) / math.log(2)
