"""Clips whose flow is known exactly: a camera moving over a photograph, maybe with something in front.

Each frame samples one fixed picture through a similarity; the flow between any two frames follows from the
two similarities alone, so no estimator stands between a result and its warping error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import ConfigError


@dataclass(frozen=True)
class Path2D:
    """Motion at constant speed, with a hand's tremor on top."""

    pan: tuple[float, float] = (0.0, 0.0)
    """Pixels a frame to the right and downwards. A camera that pans right moves its picture to the left."""
    start: tuple[float, float] = (0.0, 0.0)
    """Where it begins, in pixels from the centre."""
    zoom: float = 1.0
    """Magnification a frame."""
    turn: float = 0.0
    """Degrees a frame."""
    tremor: float = 0.0
    """Amplitude of the shake, pixels."""

    def at(self, t: int) -> Tensor:
        """Similarity of frame `t` about the frame's centre, float64 [2, 3]: p ↦ M·(p, 1)."""
        scale, angle = self.zoom**-t, math.radians(self.turn * t)
        c, s = scale * math.cos(angle), scale * math.sin(angle)
        # Two slow incommensurate waves in each direction: smooth like a hand, and never the same twice.
        shake = [self.tremor * (math.sin(0.9 * t + a) + 0.6 * math.sin(2.3 * t + 2 * a)) for a in (0.3, 1.9)]
        x, y = (self.start[i] + self.pan[i] * t + shake[i] for i in (0, 1))
        return torch.tensor([[c, -s, x], [s, c, y]], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Scene:
    """A rendered clip of `frames` frames; frame and flow are functions of the frame number."""

    picture: Tensor
    """The photograph, [1, 3, H, W] in [0, 1]; reflected where the camera leaves it."""
    size: tuple[int, int]
    """(H, W) of the frames."""
    frames: int
    camera: Path2D
    walker: Path2D | None = None
    """Motion of a disc in front, within the frame: pan (2, 0) walks right."""
    radius: float = 0.2
    """Of the disc, as a share of the frame's height."""
    noise: float = 0.0
    """Standard deviation of the sensor's noise, fixed for each frame number; 0.004 is a good camera."""

    def __post_init__(self) -> None:
        if self.frames < 2 or min(self.size) < 16:
            raise ConfigError(f"a scene needs 2 frames of 16×16 pixels, got {self.frames} of {self.size}")

    def frame(self, t: int) -> Tensor:
        """[1, 3, H, W] in [0, 1]."""
        image = _look(self.picture, _apply(self.camera.at(t), _grid(self.size)), self.size)
        if self.walker is not None:
            place = self._on_disc(t)
            # The disc wears another part of the picture, upside down and in other colours.
            skin = _look(self.picture.flip(2).roll(1, dims=1), place, self.size)
            image = torch.lerp(image, skin, self._cover(place))
        if self.noise:
            generator = torch.Generator().manual_seed(1000 + t)
            image = image + self.noise * torch.randn(image.shape, generator=generator)
        return image.clamp(0, 1)

    def flow(self, one: int, other: int) -> Tensor:
        """Exact flow from frame `one` to frame `other`, float32 [1, 2, H, W] in pixels."""
        here = _grid(self.size)
        there = _apply(_inverse(self.camera.at(other)), _apply(self.camera.at(one), here))
        if self.walker is not None:
            place = self._on_disc(one)
            carried = _apply(self.walker.at(other), place)
            there = torch.where(self._cover(place)[0, 0, ..., None] > 0.5, carried, there)
        return (there - here).permute(2, 0, 1)[None].float()

    def hidden(self, one: int, other: int) -> Tensor:
        """bool [1, 1, H, W]: what frame `one` shows and frame `other` doesn't (covered by the disc)."""
        if self.walker is None:
            return torch.zeros(1, 1, *self.size, dtype=torch.bool)
        behind = self._cover(self._on_disc(one)) <= 0.5
        seen = _apply(_inverse(self.camera.at(other)), _apply(self.camera.at(one), _grid(self.size)))
        covered = self._cover(_apply(_inverse(self.walker.at(other)), seen)) > 0.5
        return behind & covered

    def _on_disc(self, t: int) -> Tensor:
        assert self.walker is not None
        return _apply(_inverse(self.walker.at(t)), _grid(self.size))

    def _cover(self, place: Tensor) -> Tensor:
        """How much of each pixel the disc covers, [1, 1, H, W] 0..1; its edge is one pixel wide."""
        distance = place.square().sum(dim=-1).sqrt()
        return (self.radius * self.size[0] - distance + 0.5).clamp(0, 1)[None, None].float()


def _grid(size: tuple[int, int]) -> Tensor:
    """(x, y) of each pixel relative to the frame's centre, float64 [H, W, 2]."""
    height, width = size
    y = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)


def _apply(similarity: Tensor, points: Tensor) -> Tensor:
    return points @ similarity[:, :2].T + similarity[:, 2]


def _inverse(similarity: Tensor) -> Tensor:
    linear = torch.linalg.inv(similarity[:, :2])
    return torch.cat([linear, -(linear @ similarity[:, 2:])], dim=1)


def _look(picture: Tensor, points: Tensor, size: tuple[int, int]) -> Tensor:
    """The picture at `points` (pixels from its centre, [H, W, 2]), bicubic, reflected at its border."""
    height, width = picture.shape[-2:]
    scale = points.new_tensor([width / 2, height / 2])
    grid = (points / scale)[None].to(picture.dtype)
    mirrored = F.grid_sample(picture, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return mirrored.clamp(0, 1)
