"""An ONNX network as a style for video.

Nothing is known of the network's reach, so tiles are windows cross-faded over 64 pixels: close, not exact. A
network of fixed size gets frames scaled to fit, their aspect kept by padding, and the result is scaled back;
with a tile it gets windows of its own size instead, which keeps detail but lets a network that normalises
treat every window differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scenivid.ink import DEFAULT_INK
from scenivid.nets.checkpoint import ModelCard
from scenivid.pixels import pad, unpad
from scenivid.styles.onnx.arrays import aligned, decode, encode, extend, resize, sides_of
from scenivid.styles.onnx.options import OnnxOptions
from scenivid.styles.onnx.session import check_growth, run_session
from scenivid.styles.stylizer import StyleState
from scenivid.styles.tiling import check_tile, run_blended

_OVERLAP = 64


@dataclass(frozen=True, eq=False)
class OnnxStylizer:
    """An ONNX network behind the `Stylizer` protocol; no state."""

    card: ModelCard
    session: Any
    options: OnnxOptions
    """How to talk to it, nothing left at "auto"."""
    size: tuple[int | None, int | None]
    """Height and width the network insists on."""
    whole_batch: bool
    """Whether it takes any number of frames at once."""
    dtype: Any
    """Number type of its input."""
    lines: bool = False
    """Whether a fourth channel of its output is a line field."""
    bytes_per_pixel: float = 2500.0

    @property
    def multiple(self) -> int:
        return self.options.multiple

    @property
    def radius(self) -> None:
        return None

    @property
    def strength(self) -> float:
        return 1.0

    @property
    def paint_size(self) -> int | None:
        return self.card.paint

    @property
    def ink(self) -> float | None:
        if not self.lines:
            return None
        return DEFAULT_INK if self.card.ink is None else self.card.ink

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: StyleState | None, tile: int | None
    ) -> tuple[Tensor, StyleState | None]:
        if tile is not None:
            check_tile(tile)
        step = len(image) if self.whole_batch and image.device.type == "cuda" else 1
        styled = [self._frames(part, tile) for part in torch.split(image.float(), step)]
        return torch.cat(styled), None

    def _frames(self, image: Tensor, tile: int | None) -> Tensor:
        height, width = image.shape[-2:]
        fixed_height, fixed_width = self.size
        if tile is not None:
            window = (
                fixed_height or aligned(tile, self.multiple),
                fixed_width or aligned(tile, self.multiple),
            )
            if height > window[0] or width > window[1]:
                padded = extend(image, max(height, window[0]), max(width, window[1]))
                overlap = min(_OVERLAP, min(window) // 4)
                return run_blended(self._run, padded, *window, overlap)[..., :height, :width]
        if fixed_height is None and fixed_width is None:
            padded, padding = pad(image, self.multiple)
            return unpad(self._run(padded), padding)
        return self._fitted(image)

    def _fitted(self, image: Tensor) -> Tensor:
        """Through a network of fixed size: scaled to fit, padded to fill, scaled back."""
        height, width = image.shape[-2:]
        scale = min(
            (self.size[0] or float("inf")) / height,
            (self.size[1] or float("inf")) / width,
        )
        inner = max(round(height * scale), 1), max(round(width * scale), 1)
        full = (
            self.size[0] or aligned(inner[0], self.multiple),
            self.size[1] or aligned(inner[1], self.multiple),
        )
        styled = self._run(extend(resize(image, *inner), *full))
        return resize(styled[..., : inner[0], : inner[1]], height, width).clamp(0, 1)

    def _run(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] in [0, 1] to the same, of a size the network takes."""
        array = encode(image, self.options, self.dtype)
        output = run_session(self.session, array, self.card.name)
        check_growth(sides_of(output, self.options), image.shape[-2], image.shape[-1], self.card.name)
        styled = decode(output, self.options, self.card.name).to(image.device)
        if styled.shape[-2:] != image.shape[-2:]:  # a network that enlarges, or drops a few rows at the edge
            styled = resize(styled, *image.shape[-2:])
        return styled.clamp(0, 1)
