"""Products of matrices of 8-bit whole numbers, exact."""

import torch


def qmm(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`a b` for int8 of (m, k) and (k, n), as whole numbers of (m, n)."""
    return (a.double() @ b.double()).int()  # exact: all sums are below 2^53
