"""Instance normalisation taken apart: measure the moments, choose which to use, apply them.

Apart, because video wants moments other than the frame's own: smoothed over time, and shared between tiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5
_BLOCK = 4096
"""Pixels reduced at once on the CPU: a block of features stays in the cache."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and biased variance of every channel of every image."""

    mean: Tensor
    """Mean over the places, float32, [N, C]."""
    variance: Tensor
    """Variance over the places, float32, [N, C], ≥ 0."""


class InstanceNorm(nn.Module):
    """Each channel of each image to mean 0 and variance 1; no affine, no running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:  # the same, and keeps a quarter for the backward pass
            return F.instance_norm(x, eps=EPSILON)
        return normalise(x, moments(x))


def moments(x: Tensor) -> Moments:
    """Moments over the pixels of [N, C, H, W], in float32 whatever the dtype of `x`."""
    if _by_hand(x):
        return _blockwise_moments(x)
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0)
    return Moments(mean, variance)


def normalise(x: Tensor, by: Moments) -> Tensor:
    """(x − mean) / √(variance + ε), ε = 1e-5; computed in float32, returned in the dtype of `x`."""
    if _by_hand(x):  # the same to the last bit, four times as fast
        frames = zip(torch.split(x, 1), by.mean, by.variance, strict=True)
        return torch.cat(
            [F.batch_norm(frame, mean, variance, eps=EPSILON) for frame, mean, variance in frames]
        )
    scale = torch.rsqrt(by.variance + EPSILON)[:, :, None, None]
    shift = -by.mean[:, :, None, None] * scale
    return torch.addcmul(shift, x.float(), scale).to(x.dtype)


def merge(parts: Sequence[Moments], sizes: Sequence[int]) -> Moments:
    """Moments of a whole from those of its disjoint parts of `sizes` pixels (Chan et al. 1979)."""
    weights = torch.tensor(sizes, dtype=torch.float64, device=parts[0].mean.device) / sum(sizes)
    means = torch.stack([part.mean.double() for part in parts], -1)
    variances = torch.stack([part.variance.double() for part in parts], -1)
    mean = (means * weights).sum(-1)
    variance = ((variances + (means - mean[..., None]) ** 2) * weights).sum(-1)
    return Moments(mean.float(), variance.float())


def smooth(
    current: Moments, previous: Moments | None, cuts: Sequence[bool], time_constant: float
) -> tuple[Moments, Moments]:
    """Exponential moving average along consecutive frames, causal, started afresh at each cut.

        s_t = a · s_{t−1} + (1 − a) · m_t,  a = exp(−1 / time_constant);  at a cut s_t = m_t

    One frame after the other, so how a video is divided into batches makes no difference.

    Args:
        current: Of N consecutive frames.
        previous: Smoothed moments of the frame before them, [1, C]; None at the start.
        cuts: For each of the N frames: does a new shot begin here?
        time_constant: In frames; 0 leaves every frame its own.

    Returns:
        The N smoothed moments, and the last of them ([1, C]) for the next call.
    """
    if time_constant <= 0:
        return current, Moments(current.mean[-1:], current.variance[-1:])
    keep = math.exp(-1 / time_constant)
    means, variances = [], []
    for index, cut in enumerate(cuts):
        mean, variance = current.mean[index : index + 1], current.variance[index : index + 1]
        if previous is not None and not cut:
            mean = torch.lerp(mean, previous.mean, keep)
            variance = torch.lerp(variance, previous.variance, keep)
        previous = Moments(mean, variance)
        means.append(mean)
        variances.append(variance)
    assert previous is not None, "a batch has at least one frame"
    return Moments(torch.cat(means), torch.cat(variances)), previous


def _by_hand(x: Tensor) -> bool:
    """Whether torch's general kernels are the slow way: channels-last on the CPU, no gradient wanted."""
    if (
        x.device.type != "cpu"
        or torch.compiler.is_compiling()
        or (torch.is_grad_enabled() and x.requires_grad)
    ):
        return False
    return x.is_contiguous(memory_format=torch.channels_last)


def _blockwise_moments(x: Tensor) -> Moments:
    """Sums and sums of squares around a sampled mean, block by block: twenty times as fast as `var_mean`.

    Taking the squares around a value near the mean keeps float32 from cancelling (Chan et al. 1983).
    """
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    count = pixels.shape[1]
    near = pixels[:, :: max(count // _BLOCK, 1)].float().mean(1)
    total = torch.zeros_like(near)
    squares = torch.zeros_like(near)
    for block in torch.split(pixels, _BLOCK, 1):
        offset = block.float() - near[:, None]
        total += offset.sum(1)
        squares += offset.square_().sum(1)
    shift = total / count
    return Moments(near + shift, (squares / count - shift.square()).clamp_(min=0))
