"""Distances between two sets of feature vectors, besides the Fréchet distance of `nets.frechet`."""

from __future__ import annotations

import torch
from torch import Tensor


def kernel_distance(
    first: Tensor, second: Tensor, subsets: int = 100, largest: int = 1000, seed: int = 0
) -> float:
    """Unbiased squared MMD with the kernel (x·y/D + 1)³, mean over random subsets (Bińkowski et al. 2018).

    Args:
        first, second: [N, D] and [M, D] features, N, M ≥ 2.
        subsets, largest: how many subsets, and their greatest size (clean-fid's values).
    """
    generator = torch.Generator().manual_seed(seed)
    size = min(len(first), len(second), largest)
    x_all, y_all = first.double().cpu(), second.double().cpu()
    total = 0.0
    for _ in range(subsets):
        x = x_all[torch.randperm(len(x_all), generator=generator)[:size]]
        y = y_all[torch.randperm(len(y_all), generator=generator)[:size]]
        within = _kernel(x, x) + _kernel(y, y)
        off_diagonal = within.sum() - within.trace()
        total += float(off_diagonal / (size * (size - 1)) - 2 * _kernel(x, y).mean())
    return total / subsets


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3
