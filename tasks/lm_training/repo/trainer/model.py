"""A byte-level GPT: causal self-attention and an MLP in each block, layer norm before both."""

from collections.abc import Mapping

import numpy
import torch
from torch import nn
from torch.nn import functional

VOCABULARY = 128


class Head(nn.Module):
    """One head of causal self-attention."""

    def __init__(self, width: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(width, head_width, bias=False)
        self.key = nn.Linear(width, head_width, bias=False)
        self.value = nn.Linear(width, head_width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Mix the values of earlier positions; shapes (batch, time, width) to (..., head_width)."""
        _, time, _ = hidden.shape
        query, key, value = self.query(hidden), self.key(hidden), self.value(hidden)
        scores = query @ key.transpose(-2, -1) * key.shape[-1] ** -0.5
        visible = torch.tril(torch.ones(time, time))
        scores = scores.masked_fill(visible == 0, float("-inf"))
        weights = self.dropout(functional.softmax(scores, dim=-1))
        return weights @ value


class Attention(nn.Module):
    """Several heads side by side."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = nn.ModuleList(Head(width, width // heads, dropout) for _ in range(heads))
        self.output = nn.Linear(width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        mixed = torch.cat([head(hidden) for head in self.heads], dim=-1)
        return self.dropout(self.output(mixed))


class Block(nn.Module):
    """Attention, then an MLP, each added to the stream."""

    def __init__(self, width: int, heads: int, mlp_width: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_up = nn.Linear(width, mlp_width, bias=False)
        self.mlp_down = nn.Linear(mlp_width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = hidden + self.attention(self.attention_norm(hidden))
        inner = functional.gelu(self.mlp_up(self.mlp_norm(hidden)), approximate="tanh")
        return hidden + self.dropout(self.mlp_down(inner))


class Model(nn.Module):
    """The whole network, built from the task's `model` settings."""

    def __init__(self, config: Mapping[str, int], dropout: float) -> None:
        super().__init__()
        width = config["width"]
        self.token_embedding = nn.Embedding(VOCABULARY, width)
        self.position_embedding = nn.Embedding(config["context"], width)
        self.layers = nn.ModuleList(
            Block(width, config["heads"], config["mlp_width"], dropout)
            for _ in range(config["layers"])
        )
        self.final_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores of the next byte, shape (batch, time, VOCABULARY)."""
        positions = torch.arange(inputs.shape[1])
        hidden = self.token_embedding(inputs) + self.position_embedding(positions)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.head(self.final_norm(hidden))


def export_weights(model: Model) -> dict[str, numpy.ndarray]:
    """The arrays that PUBLIC.md asks for, float32."""
    arrays = {
        "token_embedding": model.token_embedding.weight,
        "position_embedding": model.position_embedding.weight,
        "final_norm.gain": model.final_norm.weight,
        "final_norm.bias": model.final_norm.bias,
        "head": model.head.weight,
    }
    for number, layer in enumerate(model.layers):
        heads = layer.attention.heads
        arrays |= {
            f"layers.{number}.attention_norm.gain": layer.attention_norm.weight,
            f"layers.{number}.attention_norm.bias": layer.attention_norm.bias,
            f"layers.{number}.query": torch.cat([head.query.weight for head in heads]),
            f"layers.{number}.key": torch.cat([head.key.weight for head in heads]),
            f"layers.{number}.value": torch.cat([head.value.weight for head in heads]),
            f"layers.{number}.output": layer.attention.output.weight,
            f"layers.{number}.mlp_norm.gain": layer.mlp_norm.weight,
            f"layers.{number}.mlp_norm.bias": layer.mlp_norm.bias,
            f"layers.{number}.mlp_up": layer.mlp_up.weight,
            f"layers.{number}.mlp_down": layer.mlp_down.weight,
        }
    return {name: array.detach().float().cpu().numpy() for name, array in arrays.items()}
