"""Adversarial losses and the schedules of the translator (Scenimefy, ICCV 2023)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call


def lsgan(scores: Tensor, real: bool) -> Tensor:
    """Least-squares GAN (Mao et al. 2017): mean (s − 1)² for real, mean s² for fake. scores: any shape."""
    return (scores.float() - float(real)).square().mean()


def discriminator_loss(fake: Tensor, real: Tensor) -> Tensor:
    """½ (lsgan(fake, fake) + lsgan(real, real))."""
    return 0.5 * (lsgan(fake, real=False) + lsgan(real, real=True))


def judge(critic: nn.Module, x: Tensor) -> Tensor:
    """Scores of `critic` that give gradients to x and none to the critic's weights."""
    held = {name: value.detach() for name, value in critic.named_parameters()}
    scores: Tensor = functional_call(critic, held, (x,))
    return scores


def epoch_of(step: int, steps: int, epochs: int) -> int:
    """Which of `epochs` equal parts of the run `step` (from 0) lies in; 1 … epochs."""
    return min(step * epochs // steps, epochs - 1) + 1


def pair_weight(epoch: int, epochs: int, official: bool = False) -> float:
    """λ_pair: the supervised branch fades along a quarter cosine, cos(π(e − 1) / 2N), e = 1 … N.

    Args:
        official: as the official code computes it, cos(π/2·N·(e − 1)), which is 1 in every epoch for
            N = 20 (it never fades).
    """
    if official:
        return math.cos(math.pi / 2 * epochs * (epoch - 1))
    return math.cos(math.pi * (epoch - 1) / (2 * epochs))


def curriculum(step: int, steps: int, start: float = 50.0, end: float = 10.0) -> float:
    """γ of the hard-negative weights, falling linearly: the lower, the more the hard negatives weigh."""
    return start + (end - start) * min(1.0, step / max(steps - 1, 1))


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of [N, C, H, W] where mask [N, 1, H, W] is 1; 0 where it is nowhere."""
    weight = mask.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp_min(torch.finfo(torch.float32).eps)


def outside(images: Tensor) -> Tensor:
    """How far images leave [0, 1], on average: a generator whose output has no bounds must not run off."""
    images = images.float()
    return (images - images.clamp(0, 1)).abs().mean()
