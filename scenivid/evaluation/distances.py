"""Distances between two sets of feature vectors."""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """|μ₁−μ₂|² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½), the Fréchet distance of two Gaussians (Heusel et al. 2017).

    The trace of the root comes from symmetric eigenproblems only, so it never turns complex:
    tr (Σ₁Σ₂)^½ = tr (Σ₁^½ Σ₂ Σ₁^½)^½.

    Args:
        first, second: [N, D] and [M, D] features, N, M ≥ 2. Biased upwards where N or M is small beside D.
    """
    mean1, cov1 = _moments(first)
    mean2, cov2 = _moments(second)
    root = _symmetric_root(cov1)
    cross = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0).sqrt().sum()
    distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross
    return max(0.0, float(distance))


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


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features must be [N ≥ 2, D], got {tuple(features.shape)}")
    features = features.double()
    mean = features.mean(dim=0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def _symmetric_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root
