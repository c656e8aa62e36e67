"""Greedy decoding: the whole text again for every token."""

from typing import NamedTuple

import torch
from torch.nn import functional


class Sizes(NamedTuple):
    """Of a model."""

    vocabulary: int
    length: int
    width: int
    layers: int
    heads: int


def decode(sizes: Sizes, weights: torch.Tensor, prompts: torch.Tensor, count: int) -> torch.Tensor:
    """The likeliest `count` tokens after each prompt."""
    p = tensors(sizes, weights)
    texts = []
    for prompt in prompts:
        text = prompt
        for _ in range(count):
            scores = forward(sizes, p, text)[-1]
            text = torch.cat([text, scores.argmax().view(1)])
        texts.append(text[len(prompt) :])
    return torch.stack(texts)


def tensors(sizes: Sizes, weights: torch.Tensor) -> dict[str, torch.Tensor]:
    """The model's tensors, in the order of INTERFACE.md."""
    d = sizes.width
    named = [("embedding", (sizes.vocabulary, d)), ("position", (sizes.length, d))]
    for layer in range(sizes.layers):
        own = (
            ("scale1", (d,)), ("shift1", (d,)), ("qkv", (3 * d, d)), ("qkv_bias", (3 * d,)), ("out", (d, d)), ("out_bias", (d,)),
            ("scale2", (d,)), ("shift2", (d,)), ("up", (4 * d, d)), ("up_bias", (4 * d,)), ("down", (d, 4 * d)), ("down_bias", (d,)),
        )  # fmt: skip
        named += [(f"{layer}.{name}", shape) for name, shape in own]
    named += [("scale", (d,)), ("shift", (d,)), ("head", (sizes.vocabulary, d))]
    found, at = {}, 0
    for name, shape in named:
        size = shape[0] * (shape[1] if len(shape) == 2 else 1)
        found[name] = weights[at : at + size].view(shape)
        at += size
    return found


def forward(sizes: Sizes, p: dict[str, torch.Tensor], text: torch.Tensor) -> torch.Tensor:
    """Scores of the next token at each position."""
    length, width = len(text), (sizes.width,)
    x = p["embedding"][text] + p["position"][:length]
    hidden = torch.ones(length, length, dtype=torch.bool, device=text.device).triu(1)
    for layer in range(sizes.layers):
        at = f"{layer}."
        normed = functional.layer_norm(x, width, p[at + "scale1"], p[at + "shift1"])
        q, k, v = functional.linear(normed, p[at + "qkv"], p[at + "qkv_bias"]).split(width[0], 1)
        mixed = []
        for own in zip(*(each.chunk(sizes.heads, 1) for each in (q, k, v)), strict=True):
            scores = own[0] @ own[1].T * own[0].shape[1] ** -0.5
            mixed.append(torch.softmax(scores.masked_fill(hidden, float("-inf")), -1) @ own[2])
        x = x + functional.linear(torch.cat(mixed, 1), p[at + "out"], p[at + "out_bias"])
        normed = functional.layer_norm(x, width, p[at + "scale2"], p[at + "shift2"])
        inner = functional.gelu(
            functional.linear(normed, p[at + "up"], p[at + "up_bias"]), approximate="tanh"
        )
        x = x + functional.linear(inner, p[at + "down"], p[at + "down_bias"])
    return functional.layer_norm(x, width, p["scale"], p["shift"]) @ p["head"].T
