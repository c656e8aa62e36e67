"""Layer norm, classifier and cross-entropy with their gradients."""

import torch

NORM_EPSILON = 1e-5


def xent(
    x: torch.Tensor,
    scale: torch.Tensor,
    shift: torch.Tensor,
    w: torch.Tensor,
    targets: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Loss of each row, and gradients of their mean by x (rows, width), scale, shift and w (vocabulary, width)."""
    centred = x - x.mean(1, keepdim=True)
    inverse = 1 / torch.sqrt((centred**2).mean(1, keepdim=True) + NORM_EPSILON)
    unit = centred * inverse
    normed = unit * scale + shift
    shares = torch.log_softmax(normed @ w.T, dim=1)
    rows = torch.arange(len(x), device=x.device)
    losses = -shares[rows, targets]
    dscores = shares.exp()
    dscores[rows, targets] -= 1
    dscores /= len(x)
    dnormed = dscores @ w
    dunit = dnormed * scale
    along = (dunit * unit).mean(1, keepdim=True)
    dx = (dunit - dunit.mean(1, keepdim=True) - unit * along) * inverse
    return losses, dx, (dnormed * unit).sum(0), dnormed.sum(0), dscores.T @ normed
