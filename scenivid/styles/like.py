"""Instant looks: the palette and tone of a picture on top of any style, without training.

One smooth map of colours for a whole shot, decided at its first picture; so nothing can flicker. Only a shot
that turns into another picture (a fade, a dissolve) is looked at again, and then the map moves slowly. The
contrast of what is painted grows by no more than the style's own, since every flicker would grow with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.nets.checkpoint import ModelCard
from scenivid.oklab import rgb_to_oklab
from scenivid.perception.palette import (
    MOST_GAIN,
    Palette,
    ToneMap,
    identity_map,
    map_between,
    map_colours,
    palette_of,
)
from scenivid.pixels import to_float
from scenivid.styles.stylizer import StyleState, Stylizer
from scenivid.video.reading.pictures.images import read_image

EASE = 16
"""Frames in which a map that has to change within a shot goes most of the way."""
_TURNED = 0.1
"""Distance of mean colours, in Oklab, from which a shot shows another picture than at its beginning."""
_TURNING = 0.02
"""The same while the map still moves."""
_BLANK = 0.02
"""Contrast below which a frame tells nothing."""
_CELLS = 25
"""Along each side of the colour cube."""
_KEPT = 0.94
"""Of the squared gradients of a shot's first picture: those of others differ by a few hundredths."""
_GAIN = (0.5, MOST_GAIN)
"""Bounds of the bound on the growth of contrast."""
_LOOK_SIDE = 384
_NEAR = 2e-4
"""Distance of two maps that nobody sees."""


@dataclass(frozen=True, eq=False)
class _Shot:
    """What is carried from frame to frame."""

    inner: StyleState
    """The style's own."""
    now: ToneMap
    cube: Tensor
    """`now` as a cube of colours."""
    goal: ToneMap
    seen: Tensor | None
    """Mean colour of the picture that decided, [3]; None while there was none."""

    @property
    def left(self) -> float:
        """How far the map has to go."""
        now, goal = self.now, self.goal
        return float((now.curve - goal.curve).abs().max() + (now.shift - goal.shift).abs().max())


@dataclass(frozen=True, eq=False)
class LikeStylizer:
    """A style whose pictures take the palette and tone of another picture."""

    style: Stylizer
    palette: Palette

    @property
    def card(self) -> ModelCard:
        return self.style.card

    @property
    def multiple(self) -> int:
        return self.style.multiple

    @property
    def radius(self) -> int | None:
        return self.style.radius

    @property
    def bytes_per_pixel(self) -> float:
        return self.style.bytes_per_pixel

    @property
    def strength(self) -> float:
        return self.style.strength

    @property
    def paint_size(self) -> int | None:
        return self.style.paint_size

    @property
    def ink(self) -> float | None:
        return self.style.ink

    @torch.inference_mode()
    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: StyleState | None, tile: int | None
    ) -> tuple[Tensor, StyleState | None]:
        assert state is None or isinstance(state, _Shot), "a state of another stylizer"
        inner = None if state is None else state.inner
        painted, inner = self.style.translate(image, cuts, inner, tile)
        shot, frames = state or _beginning(image.device), []
        for frame, cut in zip(torch.split(painted.float(), 1), cuts, strict=True):
            shot = self._looked_at(frame[:, :3], cut, shot)
            frames.append(torch.cat([through_cube(frame[:, :3], shot.cube), frame[:, 3:]], 1))
        return torch.cat(frames), replace(shot, inner=inner)

    def _looked_at(self, frame: Tensor, cut: bool, shot: _Shot) -> _Shot:
        """The map for a frame, [1, 3, H, W]: the shot's, or on its way to another."""
        lab = rgb_to_oklab(_reduced(frame, 64).clamp(0, 1))
        mean, blank = lab.mean((0, 2, 3)), float(lab[:, 0].std()) < _BLANK
        if not bool(torch.isfinite(mean).all()):
            return shot
        if cut:  # nothing is remembered across a cut: a run may begin there
            shot = _beginning(frame.device)
        seen = shot.seen
        turned = _TURNED if shot.left == 0 else _TURNING
        if blank or (seen is not None and float((mean - seen).norm()) < turned):
            return _eased(shot)
        goal = self._decided(frame).to(frame.device)
        if cut:
            return _Shot(None, goal, colour_cube(goal), goal, mean)
        return _eased(replace(shot, goal=goal, seen=mean))

    def _decided(self, frame: Tensor) -> ToneMap:
        """The map from a painted picture's palette: as much contrast as its gradients may keep."""
        small = _reduced(frame.clamp(0, 1), _LOOK_SIDE).cpu()  # a little algebra in double precision
        own, most = palette_of([small]), _KEPT * _steepness(small)
        low, high = _GAIN
        tone = map_between(own, self.palette, high)
        if _steepness(map_colours(small, tone)) <= most:
            return tone
        for _ in range(6):
            middle = (low + high) / 2
            steep = _steepness(map_colours(small, map_between(own, self.palette, middle)))
            low, high = (middle, high) if steep <= most else (low, middle)
        return map_between(own, self.palette, low)


class Untouched:
    """The style that changes nothing, for palettes alone."""

    card = ModelCard(name="none", architecture="none")
    multiple, radius, bytes_per_pixel, strength = 1, 0, 24.0, 1.0
    paint_size = ink = None

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: StyleState | None, tile: int | None
    ) -> tuple[Tensor, StyleState | None]:
        return image, None


def like(style: Stylizer | None, picture: Path) -> LikeStylizer:
    """A style (None: the source itself) with the palette and tone of a picture.

    Raises:
        InputError: the picture can't be read.
    """
    pixels = torch.from_numpy(read_image(picture)).permute(2, 0, 1)[None]
    return LikeStylizer(style or Untouched(), palette_of([to_float(pixels)]))


def colour_cube(tone: ToneMap) -> Tensor:
    """A map at evenly spaced colours, [1, 3, B, G, R]."""
    side = torch.linspace(0, 1, _CELLS, device=tone.curve.device)
    blue, green, red = torch.meshgrid(side, side, side, indexing="ij")
    colours = torch.stack([red, green, blue]).reshape(1, 3, _CELLS, -1)
    return map_colours(colours, tone).reshape(1, 3, _CELLS, _CELLS, _CELLS)


def through_cube(image: Tensor, cube: Tensor) -> Tensor:
    """Colours of [1, 3, H, W] in [0, 1], looked up between the cube's, linearly."""
    place = (image.clamp(0, 1) * 2 - 1).permute(0, 2, 3, 1)[:, None]
    found = F.grid_sample(cube, place, mode="bilinear", padding_mode="border", align_corners=True)
    return found[:, :, 0]


def _beginning(device: torch.device) -> _Shot:
    flat = identity_map(device)
    return _Shot(None, flat, colour_cube(flat), flat, None)


def _eased(shot: _Shot) -> _Shot:
    """A step on the way to the goal; the last one arrives."""
    now, goal = shot.now, shot.goal
    if shot.left == 0:
        return shot
    now = goal if shot.left < _NEAR else now.toward(goal, 1 / EASE)
    return replace(shot, now=now, cube=colour_cube(now))


def _reduced(image: Tensor, side: int) -> Tensor:
    scale = side / max(image.shape[-2:])
    if scale >= 1:
        return image
    return F.interpolate(image, [max(1, round(length * scale)) for length in image.shape[-2:]], mode="area")


def _steepness(image: Tensor) -> float:
    """Mean squared gradient: errors of warping and noise grow and shrink with it."""
    return float(image.diff(dim=-1).square().mean() + image.diff(dim=-2).square().mean())
