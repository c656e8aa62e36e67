"""Causal attention and its gradients, head by head."""

import torch

Gradients = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def attn(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, dout: torch.Tensor) -> Gradients:
    """Output and gradients of `sum(output * dout)` by q, k and v; all are (heads, length, size)."""
    found = [_head(*each) for each in zip(q, k, v, dout, strict=True)]
    return tuple(torch.stack(each) for each in zip(*found, strict=True))


def _head(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, dout: torch.Tensor) -> Gradients:
    scale = q.shape[1] ** -0.5
    scores = q @ k.T * scale
    hidden = torch.ones_like(scores, dtype=torch.bool).triu(1)
    shares = torch.softmax(scores.masked_fill(hidden, float("-inf")), dim=-1)
    back = dout @ v.T
    dscores = shares * (back - (back * shares).sum(-1, keepdim=True)) * scale
    return shares @ v, dscores @ k, dscores.T @ q, shares.T @ dout
