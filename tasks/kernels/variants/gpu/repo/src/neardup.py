"""Pairs of documents whose sets of shingles have much in common, one document after the other."""

import torch

SHINGLE = 3


def neardup(starts: torch.Tensor, tokens: torch.Tensor, percent: int) -> torch.Tensor:
    """All pairs (i, j), i < j, in order, of which at least `percent` of the shingles of both are common."""
    held = shingles(starts, tokens)
    count = held.sum(1)
    found = []
    for i in range(len(held) - 1):
        common = (held[i] & held[i + 1 :]).sum(1)
        union = count[i] + count[i + 1 :] - common
        near = ((100 * common >= percent * union) & (common > 0)).nonzero()[:, 0] + i + 1
        found.append(torch.stack([torch.full_like(near, i), near], 1))
    return torch.cat(found) if found else tokens.new_empty((0, 2))


def shingles(starts: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Which document holds which shingle, (documents, kinds)."""
    documents = len(starts) - 1
    if len(tokens) < SHINGLE:
        return torch.zeros((documents, 1), dtype=torch.bool, device=tokens.device)
    at = torch.arange(len(tokens) - SHINGLE + 1, device=tokens.device)
    owner = torch.searchsorted(starts, at, right=True) - 1
    is_whole = at + SHINGLE <= starts[owner + 1]
    windows = tokens.unfold(0, SHINGLE, 1)[is_whole]
    if len(windows) == 0:
        return torch.zeros((documents, 1), dtype=torch.bool, device=tokens.device)
    kinds, kind = torch.unique(windows, dim=0, return_inverse=True)
    held = torch.zeros((documents, len(kinds)), dtype=torch.bool, device=tokens.device)
    held[owner[is_whole], kind] = True
    return held
