"""Patch-wise contrast between an image and its translation, on features of the generator's own encoder.

Everywhere: q = query and k = key features, [N, P, D], L2-normalised, of P places at the same positions in
both images of a pair; keys get no gradient; the images of a batch don't see each other, and the loss of a
batch is the mean of the losses of its images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.errors import ConfigError
from scenivid.nets.translator import initialise
from scenivid.training.run.random_state import generator

_OUT = -10.0
"""Stands for "never" among cosines."""


@dataclass(frozen=True)
class ContrastSettings:
    """Of the projection heads and of the three contrastive losses; the defaults are the paper's."""

    places: int = 256
    """Random locations per layer; fewer where a layer has fewer."""
    width: int = 256
    """Length of a projected feature."""
    temperature: float = 0.07
    gamma_start: float = 50.0
    gamma_end: float = 10.0
    """Curriculum of the hard negatives' weights (HDCE)."""

    def __post_init__(self) -> None:
        if self.places < 2 or self.width < 1 or min(self.temperature, self.gamma_start, self.gamma_end) <= 0:
            raise ConfigError("contrast: places must be at least 2, width 1, temperature and gammas above 0")


class ProjectionHeads(nn.Module):
    """One MLP Linear(C, D)–ReLU–Linear(D, D) a layer, created from the known channel counts."""

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width)) for count in channels
        )
        initialise(self)

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Features [N, C, H, W] of each layer at its places [N, P] to [N, P, D], L2-normalised, float32.

        In float32 throughout: new heads give short vectors, and the gradient of their direction is as large
        as they are short, more than float16 holds.
        """
        with torch.autocast(features[0].device.type, enabled=False):
            return [
                F.normalize(head(gather(layer, place).float()), dim=2)
                for head, layer, place in zip(self.heads, features, places, strict=True)
            ]


def gather(features: Tensor, places: Tensor) -> Tensor:
    """Feature vectors at flat positions: [N, C, H, W], int64 [N, P] to [N, P, C]."""
    flat = features.flatten(2)
    picked = flat.gather(2, places[:, None].expand(-1, flat.shape[1], -1))
    return picked.transpose(1, 2)


def draw_places(features: Sequence[Tensor], count: int, key: Sequence[int], first: int) -> list[Tensor]:
    """Random positions in each layer, without repeats, the same whatever the batch and the processes.

    Drawn on the features' device: other positions on a GPU than on the CPU.

    Args:
        features: [N, C, H, W] each; only their sizes and device matter.
        key: of the random stream, such as (seed, step, branch).
        first: number of the first image in the joint batch of all processes.

    Returns:
        int64 [N, min(count, H·W)] each: row i depends on `key`, first + i and the layer only.
    """
    drawn = []
    for number, layer in enumerate(features):
        size = layer.shape[2] * layer.shape[3]
        rows = [
            torch.randperm(
                size, generator=generator(*key, first + i, number, device=layer.device), device=layer.device
            )[:count]
            for i in range(layer.shape[0])
        ]
        drawn.append(torch.stack(rows))
    return drawn


def patch_nce(q: Tensor, k: Tensor, temperature: float = 0.07) -> Tensor:
    """PatchNCE (Park et al. 2020): −log of the softmax of cos/τ at the same place.

    The negatives of a place are all other places of the same key image.
    """
    logits = q @ k.detach().transpose(1, 2) / temperature
    same = torch.arange(q.shape[1], device=q.device).expand(q.shape[0], -1)
    return F.cross_entropy(logits.flatten(0, 1), same.flatten())


def hard_weights(k: Tensor, gamma: float) -> Tensor:
    """Weights of the negatives, [N, P, P] in (0, 1]: the more alike two key places, the heavier.

    w = softmax over each row of (k·kᵀ with diagonal −10) / γ, divided by the row's maximum.
    """
    k = k.detach()
    weights = (_without_diagonal(k @ k.transpose(1, 2)) / gamma).softmax(2)
    return weights / weights.amax(2, keepdim=True)


def hdce(q: Tensor, k: Tensor, gamma: float, temperature: float = 0.07) -> Tensor:
    """Hard-negative decoupled contrast (Jung et al. 2022): the positive is not in the denominator.

    mean log Σ_j exp((w_ij·cos(q_i, k_j) − cos(q_i, k_i)) / τ), with the diagonal of w·cos at −10.
    """
    k = k.detach()
    positive = (q * k).sum(2, keepdim=True)
    negative = _without_diagonal(hard_weights(k, gamma) * (q @ k.transpose(1, 2)))
    return ((negative - positive) / temperature).logsumexp(2).mean()


def src(q: Tensor, k: Tensor) -> Tensor:
    """Semantic relation consistency (Jung et al. 2022): translation keeps how places relate to each other.

    Jensen–Shannon divergence of softmax over columns of q·qᵀ and of k·kᵀ, summed over the matrix.
    """
    p = (q @ q.transpose(1, 2)).log_softmax(1)
    r = (k @ k.transpose(1, 2)).log_softmax(1).detach()
    middle = torch.logaddexp(p, r) - math.log(2)
    divergence = p.exp() * (p - middle) + r.exp() * (r - middle)
    return 0.5 * divergence.sum((1, 2)).mean()


def over_layers(losses: Sequence[Tensor]) -> Tensor:
    """The mean over the layers."""
    return torch.stack(list(losses)).mean()


def _without_diagonal(matrix: Tensor) -> Tensor:
    places = torch.eye(matrix.shape[1], dtype=torch.bool, device=matrix.device)
    return matrix.masked_fill(places, _OUT)
