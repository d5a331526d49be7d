"""The Fréchet distance between two sets of feature vectors, each taken as a Gaussian."""

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


def _root(features: Tensor) -> Tensor:
    """R [min(N, D), D] with RᵀR the unbiased covariance."""
    centred: Tensor = (features - features.mean(dim=0)) / (len(features) - 1) ** 0.5
    if len(centred) <= centred.shape[1]:
        return centred
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    root: Tensor = values.clamp(min=0).sqrt()[:, None] * vectors.T
    return root
