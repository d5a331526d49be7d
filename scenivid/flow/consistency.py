"""Motion between consecutive frames with a soft confidence: forward–backward and photometric checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenivid.flow.filters import enlarge, gradient_square, mean3, slope
from scenivid.flow.warp import inside, resize_flow, warp
from scenivid.machine.lazy import functional as F
from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from scenivid.flow.estimators import FlowEstimator

STILL_PX = 0.08
"""Flow below this is measurement noise: set to zero, so that still areas are never resampled."""
STILL_SIDE = 512
"""Longer side of the working size where no estimator asks for one."""
DOUBT = 0.03
"""Unexplained difference, in [0, 1], at which confidence has fallen to 1/e."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Where each pixel of N frames was in the frame before."""

    flow: Tensor
    """From the current frame to the previous one, (u, v) in full-size pixels, float32, [N, 2, H, W]."""
    confidence: Tensor
    """How far to trust it, 0..1, float32, [N, 1, H, W]."""

    def at(self, index: int) -> Motion:
        """The motion of one frame of the batch, still with a batch axis of one."""
        return Motion(self.flow[index : index + 1], self.confidence[index : index + 1])


def estimate_motion(estimator: FlowEstimator | None, current: Tensor, previous: Tensor) -> Motion:
    """Motion of N frames, each against its own previous frame, all pairs and both directions in one call.

    The flow is searched at the estimator's working size and scaled up. Without an estimator nothing is
    taken to move, and only the photometric check says where that is so.

    Args:
        estimator: finds the flow; None: nothing moves.
        current: source frames, [N, 3, H, W], float in [0, 1].
        previous: those before them, of the same shape, on the same device.
    """
    count, _, height, width = current.shape
    size = working_size(height, width, estimator.long_side if estimator else STILL_SIDE)
    now, before = shrink(current, size), shrink(previous, size)
    if estimator is None:
        backward = now.new_zeros(count, 2, *size)
        confidence = agreement(now, before, backward)
    else:
        backward, forward = _both(estimator, now, before)
        backward = settle(backward, STILL_PX * max(size) / max(height, width))
        confidence = agreement(now, before, backward) * round_trip(backward, forward)
    confidence = enlarge(confidence, (height, width))
    return Motion(resize_flow(backward, (height, width)), confidence)


def _both(estimator: FlowEstimator, now: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Flow from `now` to `before` and back, the estimator's own way if it has one."""
    if hasattr(estimator, "both"):
        backward, forward = estimator.both(now, before)
        return backward, forward
    fields = estimator(torch.cat((now, before)), torch.cat((before, now)))
    return fields[: len(now)], fields[len(now) :]


def working_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Height and width scaled down (never up) to a longer side of at most `long_side` pixels."""
    scale = min(1.0, long_side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample [N, C, H, W] to `size` (height, width) without aliasing, in float32."""
    image = image.float()
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)


def settle(flow: Tensor, threshold_px: float) -> Tensor:
    """Zero flow where it is below `threshold_px`, leave it above twice that, with a ramp between."""
    speed = flow.square().sum(dim=1, keepdim=True).sqrt()
    settled: Tensor = flow * (speed / threshold_px - 1).clamp(0, 1)
    return settled


def round_trip(backward: Tensor, forward: Tensor) -> Tensor:
    """Soft forward–backward check with soft motion boundaries, after Sundaram et al. 2010.

    e² = |b + f∘b|² against the tolerance 0.01(|b|² + |f∘b|²) + 0.5; boundary |∇b|² against 0.01|b|² + 0.002,
    as in Lai et al. 2018 (docs/metrics.md), but as Gaussian and rational weights instead of thresholds.

    Args:
        backward, forward: [N, 2, H, W], current → previous and previous → current, in pixels.

    Returns:
        [N, 1, H, W], 1 where the two flows undo each other.
    """
    there = warp(forward, backward)
    square = backward.square().sum(dim=1, keepdim=True)
    error = (backward + there).square().sum(dim=1, keepdim=True)
    tolerance = 0.01 * (square + there.square().sum(dim=1, keepdim=True)) + 0.5
    edge = gradient_square(backward)
    smooth = 1 / (1 + (edge / (0.05 * square + 0.05)).square())
    return torch.exp(-error / tolerance) * smooth * inside(backward)


def agreement(current: Tensor, previous: Tensor, backward: Tensor) -> Tensor:
    """Soft photometric check: does the previous frame, moved along the flow, look like the current one?

    Returns:
        [N, 1, H, W] in 0..1.
    """
    return likeness(current, warp(previous, backward), flow_error_px=0.35)


def likeness(image: Tensor, other: Tensor, flow_error_px: float) -> Tensor:
    """1 where two images agree as far as sensor noise and a small misplacement explain, falling to 0.

    The noise is measured on the images themselves, from what a 3×3 mean leaves over, so that a change of
    light is never taken for noise. What a misplacement explains follows from the local gradient.

    Args:
        image, other: [N, C, H, W], in [0, 1].
        flow_error_px: misplacement to forgive, in pixels of these images.

    Returns:
        [N, 1, H, W].
    """
    difference = image - other
    error = mean3(difference.abs().mean(dim=1, keepdim=True))
    noise = noise_level(difference - mean3(difference))
    excess = (error - 1.5 * noise - flow_error_px * slope(image)).clamp(min=0)
    return torch.exp(-(excess / DOUBT).square())


def noise_level(residue: Tensor) -> Tensor:
    """Mean absolute noise, from the quieter part of a sample of the frame; at most 0.03.

    The lower third of |x| for Gaussian x with mean absolute value m is 0.54 m, and most images are quiet
    enough for a third of their pixels to hold nothing but noise.

    Args:
        residue: [N, C, H, W], high frequencies in [-1, 1].

    Returns:
        [N, 1, 1, 1].
    """
    sample = residue[..., ::5, ::5].abs().mean(dim=1).flatten(1)
    rank = max(1, sample.shape[1] // 3)
    return (sample.kthvalue(rank, dim=1).values / 0.54).clamp(max=0.03).view(-1, 1, 1, 1)
