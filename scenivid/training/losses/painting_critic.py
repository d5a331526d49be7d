"""A discriminator that knows real paintings: small heads on the maps of the frozen EfficientNet-Lite0.

Sauer et al. 2021, "Projected GANs Converge Faster": frozen features leave the discriminator little to
memorise, which matters with fifty paintings. Without their random mixing of channels and scales.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from scenivid.training.losses.adversarial import discriminator_loss, lsgan

_FIRST = 1
"""The first map (stride 2) is left out: it knows compression and noise, not painting."""


class PaintingCritic(nn.Module):
    """Scores of each place of each map, one tensor [N, 1, h, w] a map.

    Args:
        examples: the encoder's maps of some paintings; each channel is scaled by what it does there.
        width: channels of each head.
    """

    def __init__(self, examples: Sequence[Tensor], width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList()
        for number, example in enumerate(examples[_FIRST:]):
            mean, deviation = example.float().mean((0, 2, 3), keepdim=True), example.float().std((0, 2, 3))
            self.register_buffer(f"mean{number}", mean)
            self.register_buffer(f"scale{number}", 1 / (deviation[:, None, None] + 1e-2))
            self.heads.append(
                nn.Sequential(
                    spectral_norm(nn.Conv2d(example.shape[1], width, 3, padding=1)),
                    nn.LeakyReLU(0.2),
                    spectral_norm(nn.Conv2d(width, 1, 1)),
                )
            )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        scores = []
        for number, (head, one) in enumerate(zip(self.heads, maps[_FIRST:], strict=True)):
            mean, scale = self.get_buffer(f"mean{number}"), self.get_buffer(f"scale{number}")
            scores.append(head((one.float() - mean) * scale))
        return scores

    def loss(self, made: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
        """What the critic learns from, LSGAN, mean over the maps; no gradient reaches `made`."""
        judged = zip(self([one.detach() for one in made]), self(real), strict=True)
        return torch.stack([discriminator_loss(fake, true) for fake, true in judged]).mean()

    def blame(self, made: Sequence[Tensor]) -> Tensor:
        """How far the maps are from being taken for paintings', with a graph to `made` alone."""
        self.requires_grad_(False)
        scores = self(made)
        self.requires_grad_(True)
        return torch.stack([lsgan(one, True) for one in scores]).mean()
