"""Large frames in pieces: exact where the receptive radius is known, cross-faded where it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

from scenivid.errors import ConfigError
from scenivid.machine.devices import available_memory, free_memory
from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Image = TypeVar("Image", "Tensor", NDArray[Any])
SMALLEST = 64
_SIZES = (2048, 1536, 1024, 768, 512, 384, 256)
_SHARE = 0.5
"""Part of the free memory that `auto_tile` lets a network use."""

Run = Callable[["Tensor"], "Tensor"]
"""A network: [N, 3, H, W] to as many rows and columns, of any number of channels."""


@dataclass(frozen=True)
class Box:
    """Rows top ≤ y < bottom and columns left ≤ x < right."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def of(self, image: Image) -> Image:
        """This part of [..., H, W], as a view."""
        return image[..., self.top : self.bottom, self.left : self.right]

    def grown(self, margin: int, height: int, width: int) -> Box:
        """With a margin on every side, as far as the frame goes."""
        return Box(
            max(self.top - margin, 0),
            min(self.bottom + margin, height),
            max(self.left - margin, 0),
            min(self.right + margin, width),
        )

    def within(self, other: Box) -> Box:
        """The same place in coordinates of a box around it."""
        top, left = self.top - other.top, self.left - other.left
        return Box(top, top + self.shape[0], left, left + self.shape[1])


def boxes(height: int, width: int, tile: int) -> Iterator[Box]:
    """Disjoint boxes of at most `tile` pixels a side that cover the frame, row by row."""
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            yield Box(top, min(top + tile, height), left, min(left + tile, width))


def windows(
    height: int, width: int, tile: int, margin: int, multiple: int, least: int
) -> Iterator[tuple[Box, Box]]:
    """Disjoint boxes that cover the frame, row by row, and a window around each: all of one shape, with a
    margin on every side that isn't the frame's own.

    Args:
        height, width, margin, least: multiples of `multiple`.
        tile: side of a box in pixels; those beside the frame's edges are larger, by the margin saved there.
        multiple: of the sides of windows and boxes.
        least: width that a window has, if the frame is as wide.

    Raises:
        ConfigError: `tile` is below 64.
    """
    check_tile(tile)
    tile = _round_up(tile, multiple)
    for (top, bottom), (highest, lowest) in _spans(height, tile, margin, multiple, 0):
        for (left, right), (first, last) in _spans(width, tile, margin, multiple, least):
            yield Box(top, bottom, left, right), Box(highest, lowest, first, last)


def run_tiled(run: Run, image: Tensor, tile: int, radius: int, multiple: int) -> Tensor:
    """Run a network tile by tile with the same result as on the whole frame.

    Each tile is computed with a margin of at least `radius`, aligned to `multiple`, and the margin is thrown
    away; at the frame's own edges there is no margin, so the network's padding acts where it would have.

    Args:
        run: A network in which an output pixel depends on input pixels within `radius` only.
        image: [N, C, H, W], H and W multiples of `multiple`.
        tile: Side of a tile in pixels, margin not counted; rounded up to `multiple`.
    """
    check_tile(tile)
    height, width = image.shape[-2:]
    tile, margin = _round_up(tile, multiple), _round_up(radius, multiple)
    result: Tensor | None = None
    for box in boxes(height, width, tile):
        wide = box.grown(margin, height, width)
        part = run(wide.of(image))
        if result is None:
            result = part.new_empty((part.shape[0], part.shape[1], height, width))
        box.of(result).copy_(box.within(wide).of(part))
    assert result is not None, "a frame has at least one pixel"
    return result


def run_blended(run: Run, image: Tensor, height: int, width: int, overlap: int) -> Tensor:
    """Run a network of unknown reach on windows of exactly height × width, cross-faded over `overlap` pixels.

    Approximate: a network that normalises over its input sees each window as an image of its own.

    Args:
        image: [N, C, H, W] with H ≥ height and W ≥ width.
    """
    total: Tensor | None = None
    weights = image.new_zeros((1, 1, *image.shape[-2:]))
    fade = (_ramp(height, overlap)[:, None] * _ramp(width, overlap)[None, :]).to(image)
    for top in _starts(image.shape[-2], height, overlap):
        for left in _starts(image.shape[-1], width, overlap):
            box = Box(top, top + height, left, left + width)
            part = run(box.of(image))
            if total is None:
                total = part.new_zeros((*part.shape[:2], *image.shape[-2:]))
            box.of(total).add_(part * fade)
            box.of(weights).add_(fade)
    assert total is not None, "a frame has at least one pixel"
    return total / weights


def auto_tile(
    height: int, width: int, batch: int, bytes_per_pixel: float, device: torch.device | None
) -> int | None:
    """The largest tile with which a network fits half of the free memory; None if the whole frame does.

    Args:
        batch: Frames translated at once.
        bytes_per_pixel: Peak working memory of the network for each pixel of a frame.
        device: None for the CPU.
    """
    on_cpu = device is None or device.type == "cpu"
    budget = (available_memory() if device is None else free_memory(device)) * _SHARE
    if on_cpu:  # frames are translated one after the other there
        batch = 1
    if height * width * batch * bytes_per_pixel <= budget:
        return None
    fitting = [size for size in _SIZES if size * size * batch * bytes_per_pixel <= budget]
    return fitting[0] if fitting else _SIZES[-1]


def check_tile(tile: int) -> None:
    """Refuse tiles that are mostly margin.

    Raises:
        ConfigError: `tile` is below 64.
    """
    if tile < SMALLEST:
        raise ConfigError(f"a tile must be at least {SMALLEST} pixels, got {tile}")


def _spans(
    length: int, tile: int, margin: int, multiple: int, least: int
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Begin and end of parts of a line, and of the window around each."""
    inner = length - 2 * margin
    count = max(-(-inner // tile), 1)
    window = min(max(_round_up(-(-inner // count), multiple) + 2 * margin, least), length)
    begin = 0
    while begin < length:
        first = min(max(begin - margin, 0), length - window)
        end = length if first + window == length else first + window - margin
        yield (begin, end), (first, first + window)
        begin = end


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _starts(length: int, window: int, overlap: int) -> list[int]:
    """Evenly spaced window positions from edge to edge, at least `overlap` shared between neighbours."""
    step = max(window - overlap, 1)
    count = -(-(length - window) // step) + 1
    return [round(index * (length - window) / max(count - 1, 1)) for index in range(count)]


def _ramp(length: int, overlap: int) -> Tensor:
    """Rises from just above 0 over `overlap` pixels, falls the same way."""
    position = torch.arange(length) + 1.0
    return torch.minimum(position, position.flip(0)).div(max(overlap, 1)).clamp(max=1)
