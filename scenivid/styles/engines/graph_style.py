"""A lite style run by OpenVINO straight from its weights file: no torch, nothing to convert or keep."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenivid.colour import Matrix
from scenivid.ink import DEFAULT_INK
from scenivid.machine.cores import Threads
from scenivid.nets.card import ModelCard, read_card
from scenivid.nets.lite_shape import BORDER, GENTLEST, MULTIPLE, PAINTED_AT, receptive_radius
from scenivid.styles.engines.brush_planes import dabbed_planes
from scenivid.styles.engines.extended_planes import extend, extended_size
from scenivid.styles.engines.lite_graph import LiteWeights, lite_graph, read_lite
from scenivid.styles.engines.openvino_import import openvino_lean
from scenivid.styles.engines.paint_planes import laid_on, laid_on_planes
from scenivid.styles.painter import Picture
from scenivid.styles.tiling import SMALLEST, Box, windows

_Image = NDArray[Any]
_ALIKE = 51 * MULTIPLE
"""Pixels in a line from which on OpenVINO adds up bfloat16 in one and the same order. Where a convolution of
stride 2 gives 50 in a line or fewer, its kernel is another; the last such convolution gives a sixteenth."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class GraphStyle:
    """A lite style, not yet made for a size."""

    card: ModelCard
    weights: LiteWeights
    strength: float
    """What it paints at; the rest is blended with the source."""
    precision: str
    """'f32' or 'bf16'."""

    @property
    def paint_size(self) -> int:
        """Shorter side, in pixels, that it wants to paint at."""
        return self.card.paint or PAINTED_AT

    @property
    def ink(self) -> float | None:
        """Default darkness of its lines; None if it draws none."""
        if not self.weights.params.line:
            return None
        return DEFAULT_INK if self.card.ink is None else self.card.ink

    @property
    def bytes_per_pixel(self) -> float:
        """Working memory of the network for each pixel of a frame, amply."""
        return 400.0

    def painter(self, size: tuple[int, int], threads: Threads, tile: int | None = None) -> GraphPainter:
        """Compile the network.

        Args:
            size: height and width of the frames, any.
            threads: frames at once, and threads for each.
            tile: side of a tile in pixels, at least 64; None for the whole frame at once. Tiles are wider
                where the window around one would be narrower than both the frame and `_ALIKE`.

        Raises:
            ConfigError: a smaller tile.
        """
        whole, reach = extended_size(size), _round_up(receptive_radius(self.weights.params))
        side = max(*whole, SMALLEST) if tile is None else tile
        tiles = list(windows(*whole, side, reach, MULTIPLE, _ALIKE))
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": threads.painters * threads.each,
            "NUM_STREAMS": threads.painters,
            "ENABLE_CPU_PINNING": False,  # other stages need the cores as well
        }

        short = self.precision == "bf16"
        graph = lite_graph(self.weights, tiles[0][1].shape, short)
        network = _core().compile_model(graph, "CPU", settings)
        return GraphPainter(self.card.name, size, tiles, network, self.weights.params.brush, short)


class GraphPainter:
    """See `Painter`; safe to call from several threads."""

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        windows: Sequence[tuple[Box, Box]],
        network: Any,
        brush: int,
        short: bool,
    ) -> None:
        """Args:
        size: height and width of the frames.
        windows: boxes of the extended frame, and what must be looked at for each; all of one shape.
        network: compiled for that shape.
        brush: radius of the flat brush under the paint; 0 for none.
        short: as `lite_graph` has it.
        """
        self.name, self._short = name, short
        self._size, self._windows, self._network, self._brush = size, windows, network, brush
        self._local = threading.local()

    def paint(self, rgb: Picture, cut: bool, state: object) -> tuple[Picture, None]:
        """See `Painter`; nothing is remembered."""
        height, width = self._size
        even = height + height % 2, width + width % 2
        raw, base = self._painted(rgb)
        if even != self._size:
            rgb = np.pad(rgb, ((0, 0), (0, height % 2), (0, width % 2)))
        painted = np.empty((raw.shape[2] // 4 - 1, *even), np.float32)
        laid_on(raw, rgb, base, BORDER, painted)
        return np.ascontiguousarray(painted[:, :height, :width]), None

    def paint_planes(self, rgb: Picture, matrix: Matrix) -> tuple[Picture, Picture, Picture | None] | None:
        """Luma, chroma and line of `paint`; None where a side is odd."""
        if rgb.shape[1] % 2 or rgb.shape[2] % 2:
            return None
        raw, base = self._painted(rgb)
        return laid_on_planes(raw, rgb, base, BORDER, matrix)

    def _painted(self, rgb: Picture) -> tuple[_Image, Picture | None]:
        """What the network gives, and the image under the flat brush, for `laid_on`."""
        if len(self._windows) == 1:
            request, image, around = self._request()
            around = self._images()[1] if around is None else around
            self._fill(rgb, image, around)
            raw = self._output(request)
        else:
            image, around = self._images()
            self._fill(rgb, image, around)
            raw = self._tiled(image, around)
        return raw, None if around is None else around[:, 1:-1, 1:-1]

    def _fill(self, rgb: Picture, image: _Image, around: Picture | None) -> None:
        """Write the extended frame, and what is under a flat brush, if the network has one."""
        if around is None:
            extend(rgb, image, None)
            return
        small = np.empty((3, image.shape[0] // 2, image.shape[1] // 2), np.float32)
        extend(rgb, image, small)
        dabbed_planes(small, self._brush, around[:, 1:-1, 1:-1])
        around[:, 0], around[:, -1] = around[:, 1], around[:, -2]
        around[:, :, 0], around[:, :, -1] = around[:, :, 1], around[:, :, -2]

    def _tiled(self, image: _Image, around: Picture | None) -> _Image:
        """What the network gives for the extended frame, tile by tile."""
        raw: _Image | None = None
        for box, wide in self._windows:
            request, place, place_around = self._request()
            np.copyto(place, image[wide.top : wide.bottom, wide.left : wide.right])
            if around is not None and place_around is not None:
                down, right = _half(wide)
                part_of = around[:, down.start : down.stop + 2, right.start : right.stop + 2]
                np.copyto(place_around, part_of)
            part = self._output(request)
            if raw is None:
                raw = np.empty((image.shape[0] // 2, image.shape[1] // 2, part.shape[2]), part.dtype)
            inner = box.within(wide)
            raw[_half(box)] = part[_half(inner)]
        assert raw is not None
        return raw

    def _output(self, request: Any) -> _Image:
        """What the network gives for what lies in its input; overwritten by the next call."""
        request.infer()
        raw: _Image = request.output_tensors[0].data[0]
        return raw.view(np.uint16) if self._short else raw

    def _images(self) -> tuple[_Image, Picture | None]:
        """This thread's extended frame, and that under the brush: half as large, with a pixel around it."""
        if not hasattr(self._local, "images"):
            size = extended_size(self._size)
            image = np.empty((*size, 3) if len(self._windows) > 1 else (0,), self._kind)
            self._local.images = image, np.empty(_around(size), np.float32) if self._brush else None
        images: tuple[_Image, Picture | None] = self._local.images
        return images

    @property
    def _kind(self) -> type[np.uint8] | type[np.float32]:
        return np.uint8 if self._short else np.float32

    def _request(self) -> tuple[Any, _Image, Picture | None]:
        """This thread's request, and the arrays that it reads: image, [H, W, 3], and base."""
        import openvino

        if not hasattr(self._local, "request"):
            size = self._windows[0][1].shape
            places: list[_Image] = [np.empty((1, size[0], size[1] // 2, 6), self._kind)]
            if len(self._network.inputs) > 1:
                places.append(np.empty((1, *_around(size)), np.float32))
            request = self._network.create_infer_request()
            for index, place in enumerate(places):
                request.set_input_tensor(index, openvino.Tensor(place, shared_memory=True))
            base = places[1][0] if len(places) > 1 else None
            self._local.request = request, places[0].reshape(*size, 3), base
        found: tuple[Any, _Image, Picture | None] = self._local.request
        return found


def _round_up(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE


def _around(size: tuple[int, int]) -> tuple[int, int, int]:
    """Three channels at half the size, and a pixel on every side."""
    return 3, size[0] // 2 + 2, size[1] // 2 + 2


def _half(box: Box) -> tuple[slice, slice]:
    """Its rows and columns at half the size."""
    return slice(box.top // 2, box.bottom // 2), slice(box.left // 2, box.right // 2)


def graph_style(path: Path, precision: str, strength: float) -> GraphStyle | None:
    """The style in a weights file, if OpenVINO can run it from there; None if something else must.

    Args:
        precision: 'auto', 'fp32' or 'bf16'.
        strength: 0..1, as `load_style` has it.

    Raises:
        CheckpointError: the file is damaged or none of ours.
    """
    if precision not in ("auto", "fp32", "bf16") or not _usable():
        return None
    card = read_card(path)
    weights = read_lite(path, card)
    if weights is None:
        return None
    painted_at = max(strength, GENTLEST) if weights.params.dial else 1.0
    kind = "f32" if precision == "fp32" or (precision == "auto" and not _multiplies_bf16()) else "bf16"
    return GraphStyle(card, weights.at(painted_at), painted_at, kind)


@cache
def _usable() -> bool:
    """Whether OpenVINO is installed and loads."""
    if find_spec("openvino") is None:
        return False
    try:
        _core()
    except (ImportError, OSError, RuntimeError) as exc:
        _log.warning("OpenVINO can't be used, torch runs the style: %s", exc)
        return False
    return True


@cache
def _core() -> Any:
    return openvino_lean().Core()


def _multiplies_bf16() -> bool:
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
