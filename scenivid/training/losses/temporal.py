"""Steadiness learnt from stills: a picture that moves must be painted as the moved painting.

    moved, motion = synthesise(x, draw_motion(...))
    loss = steadiness(G(moved), G(x), motion)      # G(warp(x) + noise) against warp(G(x)), where visible

No video is needed (as in Eilertsen et al. 2019, "Single-frame regularization for temporally stable CNNs").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.flow.warp import inside, warp
from scenivid.training.losses.adversarial import masked_mean
from scenivid.training.run.random_state import generator


@dataclass(frozen=True)
class MotionSettings:
    """How far and how wildly stills are moved: like two near frames of a hand-held video."""

    shift: float = 0.03
    """Largest translation, as a share of the image's side."""
    turn: float = 2.0
    """Largest rotation, degrees."""
    scale: float = 0.03
    """Largest relative change of size."""
    bend: float = 0.01
    """Standard deviation of the smooth local displacement, as a share of the side."""
    noise: float = 0.02
    """Largest standard deviation of the sensor noise that is added, in [0, 1] units."""

    def __post_init__(self) -> None:
        if min(self.shift, self.turn, self.scale, self.bend, self.noise) < 0 or self.scale >= 1:
            raise ConfigError("motion: all values must be at least 0 and scale below 1")


@dataclass(frozen=True, eq=False)
class SyntheticMotion:
    """A drawn motion of N images."""

    flow: Tensor
    """[N, 2, H, W] px, from the moved image back to the still one."""
    visible: Tensor
    """[N, 1, H, W]: 0 where the moved image shows what the still one doesn't, or is folded or torn."""
    noise: Tensor
    """[N, 3, H, W], in [0, 1] units."""


def draw_motion(
    shape: Sequence[int],
    settings: MotionSettings,
    key: Sequence[int],
    first: int,
    device: torch.device | str = "cpu",
) -> SyntheticMotion:
    """Draw one motion for each image of [N, 3, H, W]; image i depends on `key` and first + i only.

    Planes are drawn on `device`, so nothing of size is copied.
    """
    count, _, height, width = shape
    parts = [_draw_one(height, width, settings, (*key, first + i), device) for i in range(count)]
    flow = torch.stack([flow for flow, _ in parts])
    return SyntheticMotion(flow, visibility(flow), torch.stack([noise for _, noise in parts]))


def synthesise(x: Tensor, motion: SyntheticMotion) -> Tensor:
    """The moved and noisy image, [N, 3, H, W] in [0, 1]; bicubic, which blurs least."""
    moved = warp(x, motion.flow.to(x.device), "bicubic") + motion.noise.to(x.device)
    return moved.clamp(0, 1)


def steadiness(styled_moved: Tensor, styled: Tensor, motion: SyntheticMotion) -> Tensor:
    """Mean absolute difference of G(moved) and the moved G(x) where `visible`; [0, 1] units."""
    expected = warp(styled.float(), motion.flow.to(styled.device), "bicubic")
    return masked_mean((styled_moved.float() - expected).abs(), motion.visible.to(styled.device))


def visibility(flow: Tensor) -> Tensor:
    """1 where a motion points into the frame and keeps areas within a factor of two; [N, 1, H, W].

    The area a pixel covers in the still image is the determinant of the Jacobian of p + flow(p).
    """
    dx = F.pad(flow[..., :, 1:] - flow[..., :, :-1], (0, 1, 0, 0), mode="replicate")
    dy = F.pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1), mode="replicate")
    area = (1 + dx[:, :1]) * (1 + dy[:, 1:]) - dx[:, 1:] * dy[:, :1]
    return inside(flow) * ((area > 0.5) & (area < 2)).to(flow.dtype)


def _draw_one(
    height: int, width: int, settings: MotionSettings, key: Sequence[int], device: torch.device | str
) -> tuple[Tensor, Tensor]:
    side = min(height, width)
    turn, scale, right, down, level = (torch.rand(5, generator=generator(*key)) * 2 - 1).tolist()
    planes = generator(*key, 1, device=device)
    angle, size = math.radians(turn * settings.turn), 1 + scale * settings.scale
    xs = torch.arange(width, dtype=torch.float32, device=device) - (width - 1) / 2
    ys = (torch.arange(height, dtype=torch.float32, device=device) - (height - 1) / 2)[:, None]
    u = (size * math.cos(angle) - 1) * xs - size * math.sin(angle) * ys + right * settings.shift * side
    v = size * math.sin(angle) * xs + (size * math.cos(angle) - 1) * ys + down * settings.shift * side
    coarse = torch.randn(1, 2, 5, 5, generator=planes, device=device) * settings.bend * side
    bend = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)[0]
    noise = torch.randn(3, height, width, generator=planes, device=device) * abs(level) * settings.noise
    return torch.stack([u, v]) + bend, noise
