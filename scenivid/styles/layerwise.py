"""The translator with normalisation moments that aren't the frame's own, whole or in tiles.

In tiles, one layer is finished over the whole frame before the next begins: every convolution is computed
tile by tile, its output collected in ordinary memory with the moments of each tile, and the merged moments
of the whole frame are what the next layer normalises by. So tiles see exactly what the whole frame would have
seen, and the device never holds more than a tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.nets.blur import BlurDown, BlurUp, blur_down
from scenivid.nets.norms import InstanceNorm, Moments, merge, moments, normalise
from scenivid.nets.translator import ResidualBlock, Translator
from scenivid.styles.tiling import Box, boxes

Adapt = Callable[[int, Moments], Moments]
"""From the number of a normalisation layer and the moments measured there, the moments to use."""
Span = tuple[int, int]
"""First row (or column) and the one after the last."""


def translate_whole(network: Translator, image: Tensor, adapt: Adapt) -> Tensor:
    """`network(image)`, but each InstanceNorm uses `adapt(number, its own moments)`.

    Args:
        image: [N, 3, H, W] in [-1, 1], as `Translator.forward` wants it.
    """
    count = 0

    def run(layer: nn.Module, x: Tensor) -> Tensor:
        nonlocal count
        if isinstance(layer, InstanceNorm):
            count += 1
            return normalise(x, adapt(count - 1, moments(x)))
        if isinstance(layer, ResidualBlock):
            return x + run(layer.conv_block, x)
        if isinstance(layer, nn.Sequential):
            for inner in layer:
                x = run(inner, x)
            return x
        result: Tensor = layer(_for(layer, x))
        return result

    return run(network.model, image)


def translate_tiled(network: Translator, image: Tensor, adapt: Adapt, tile: int) -> Tensor:
    """As `translate_whole`, in tiles of `tile` pixels a side (at full resolution).

    Args:
        image: [1, 3, H, W] in [-1, 1]; H and W multiples of 4, at least 8.
    """
    device = image.device
    run = _Run(image.cpu(), device, tile, image.shape[-1])
    count = 0

    def walk(layer: nn.Module) -> None:
        nonlocal count
        if isinstance(layer, nn.Sequential):
            for inner in layer:
                walk(inner)
        elif isinstance(layer, InstanceNorm):
            measured = run.finish()
            run.pending.append(_apply(adapt(count, measured)))
            count += 1
        elif isinstance(layer, ResidualBlock):
            run.finish()
            skip = run.features
            walk(layer.conv_block)
            run.add(skip)
        elif isinstance(layer, nn.ReLU | nn.Tanh):
            if run.windows:
                run.finish()
            run.pending.append(F.relu if isinstance(layer, nn.ReLU) else torch.tanh)
        elif isinstance(layer, nn.ReflectionPad2d):
            run.reflect = True
        else:
            run.windows.append(_window(layer, run.reflect))
            run.reflect = False

    walk(network.model)
    run.finish()
    return run.features.to(device)


class _Run:
    """A walk through the layers: finished features, and what is still to be done to them."""

    def __init__(self, features: Tensor, device: torch.device, tile: int, full_width: int) -> None:
        self.features = features
        self.device = device
        self.tile = tile
        self.full_width = full_width
        self.pending: list[Callable[[Tensor], Tensor]] = []
        """Pixelwise steps not yet done to `features`."""
        self.windows: list[_Window] = []
        """Steps with a neighbourhood, after the pixelwise ones."""
        self.reflect = False

    def finish(self) -> Moments:
        """Do everything pending, tile by tile; the moments of the result."""
        pending, windows, source = self.pending, self.windows, self.features
        self.pending, self.windows = [], []
        if not pending and not windows:
            return Moments(torch.zeros(1, 1), torch.zeros(1, 1))
        sizes = [tuple(source.shape[-2:])]
        for window in windows:
            sizes.append((window.length(sizes[-1][0]), window.length(sizes[-1][1])))
        height, width = sizes[-1]
        result: Tensor | None = None
        parts: list[Moments] = []
        pixels: list[int] = []
        for box in boxes(height, width, max(self.tile * width // self.full_width, 8)):
            part = self._tile(source, sizes, box, pending, windows)
            parts.append(moments(part))
            pixels.append(box.pixels)
            if result is None:
                result = part.new_empty((1, part.shape[1], height, width), device="cpu")
                result = result.to(memory_format=torch.channels_last)
            box.of(result).copy_(part)
        assert result is not None, "a frame has at least one pixel"
        self.features = result
        return merge(parts, pixels)

    def add(self, skip: Tensor) -> None:
        """Do the pending pixelwise steps, tile by tile, and add `skip`."""
        pending, self.pending = self.pending, []
        height, width = skip.shape[-2:]
        result = torch.empty_like(skip)
        for box in boxes(height, width, max(self.tile * width // self.full_width, 8)):
            part = box.of(self.features).to(self.device)
            for step in pending:
                part = step(part)
            box.of(result).copy_(part + box.of(skip).to(self.device))
        self.features = result

    def _tile(
        self,
        source: Tensor,
        sizes: list[tuple[int, ...]],
        box: Box,
        pending: list[Callable[[Tensor], Tensor]],
        windows: list[_Window],
    ) -> Tensor:
        rows, columns = (box.top, box.bottom), (box.left, box.right)
        plan = []
        for window, (height, width) in zip(reversed(windows), reversed(sizes[:-1]), strict=True):
            wanted = rows, columns
            rows, top, bottom = _clip(window.needs(rows), height)
            columns, left, right = _clip(window.needs(columns), width)
            plan.append((window, wanted, (left, right, top, bottom)))
        x = source[..., rows[0] : rows[1], columns[0] : columns[1]].to(self.device)
        for step in pending:
            x = step(x)
        for window, wanted, padding in reversed(plan):
            x = window.run(F.pad(x, padding, mode=window.mode) if any(padding) else x, *wanted)
        return x


@dataclass(frozen=True)
class _Window:
    """A step with a neighbourhood, along one axis: which input it needs, and how to do it on padded input."""

    kind: str
    layer: nn.Module
    mode: str
    """How the frame's edge is padded, in the words of `F.pad`."""
    reach: int = 0

    def length(self, before: int) -> int:
        return {"conv": before, "down": before // 2, "up": before * 2}[self.kind]

    def needs(self, wanted: Span) -> Span:
        low, high = wanted
        if self.kind == "conv":
            return low - self.reach, high + self.reach
        if self.kind == "down":
            return 2 * low - 1, 2 * high
        return math.floor((low - 1) / 2), math.floor(high / 2) + 1

    def run(self, padded: Tensor, rows: Span, columns: Span) -> Tensor:
        layer = self.layer
        if isinstance(layer, nn.Conv2d):
            return F.conv2d(_for(layer, padded), layer.weight, layer.bias)
        if isinstance(layer, BlurDown):
            return blur_down(padded, layer.filt)
        assert isinstance(layer, BlurUp), f"no tiled form of {type(layer).__name__}"
        top, left = (span[0] - 2 * self.needs(span)[0] for span in (rows, columns))
        doubled: Tensor = layer(padded)
        return doubled[..., top : top + rows[1] - rows[0], left : left + columns[1] - columns[0]]


def _window(layer: nn.Module, reflect: bool) -> _Window:
    if isinstance(layer, nn.Conv2d):
        return _Window("conv", layer, "reflect" if reflect else "constant", layer.kernel_size[0] // 2)
    if isinstance(layer, BlurDown):
        return _Window("down", layer, "reflect")
    return _Window("up", layer, "replicate")


def _for(layer: nn.Module, x: Tensor) -> Tensor:
    """`x` in the dtype of a convolution's weights: some layers may be kept in higher precision."""
    return x.to(layer.weight.dtype) if isinstance(layer, nn.Conv2d) else x


def _clip(span: Span, length: int) -> tuple[Span, int, int]:
    """The part of `span` inside the frame, and how many rows stick out on either side."""
    inside = max(span[0], 0), min(span[1], length)
    return inside, inside[0] - span[0], span[1] - inside[1]


def _apply(by: Moments) -> Callable[[Tensor], Tensor]:
    return lambda x: normalise(x, Moments(by.mean.to(x.device), by.variance.to(x.device)))
