"""Distances between two sets of feature vectors: Fréchet's, each taken as a Gaussian, and a kernel's."""

from __future__ import annotations

import torch
from torch import Tensor

from scenivid.errors import DataError


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """|μ₁ − μ₂|² + tr(C₁ + C₂ − 2(C₁C₂)^½), Heusel et al. 2017, equation 6.

    With C = A·Aᵀ, tr((C₁C₂)^½) is the sum of the singular values of A₁ᵀA₂: exact for singular covariances
    too (fewer samples than features), and no matrix square root is taken.

    Args:
        first, second: features [N, D] and [M, D]; N, M ≥ 2.

    Returns:
        The squared distance, ≥ 0. Biased upwards for small N and M: compare equal counts only.

    Raises:
        DataError: fewer than two vectors in a set.
    """
    if min(len(first), len(second)) < 2:
        raise DataError(
            f"a Fréchet distance needs two images in each set; got {len(first)} and {len(second)}"
        )
    a, b = first.double(), second.double()
    means = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    root_a, root_b = _root(a), _root(b)
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    spread = root_a.square().sum() + root_b.square().sum()
    return max(0.0, float(means + spread - 2 * cross))


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


def kernel_distance_error(first: Tensor, second: Tensor, halves: int = 50, seed: int = 0) -> float:
    """Standard error of `kernel_distance` on these vectors: its deviation over random halves of both sets.

    Args:
        first, second: [N, D] and [M, D] features, N, M ≥ 4.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(halves):
        x, y = (
            side[torch.randperm(len(side), generator=generator)[: len(side) // 2]] for side in (first, second)
        )
        found.append(kernel_distance(x, y, subsets=1))
    return float(torch.tensor(found, dtype=torch.float64).std())


def _root(features: Tensor) -> Tensor:
    """R [min(N, D), D] with RᵀR the unbiased covariance."""
    centred: Tensor = (features - features.mean(dim=0)) / (len(features) - 1) ** 0.5
    if len(centred) <= centred.shape[1]:
        return centred
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    root: Tensor = values.clamp(min=0).sqrt()[:, None] * vectors.T
    return root


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3
