"""A lite style run by OpenVINO straight from its weights file: no torch, nothing to convert or keep."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from scenivid.cores import Threads
from scenivid.ink import DEFAULT_INK
from scenivid.nets.card import ModelCard, read_card
from scenivid.nets.lite_shape import BORDER, GENTLEST, MULTIPLE, PAINTED_AT, receptive_radius
from scenivid.styles.engines.brush_planes import dabbed_planes
from scenivid.styles.engines.lite_graph import LiteWeights, lite_graph, read_lite
from scenivid.styles.painter import Picture
from scenivid.styles.tiling import Box, boxes, check_tile

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
            tile: side of a tile in pixels, at least 64; None for the whole frame at once.
        """
        if tile is not None:
            check_tile(tile)
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": threads.painters * threads.each,
            "NUM_STREAMS": threads.painters,
            "ENABLE_CPU_PINNING": False,  # other stages need the cores as well
        }

        def compiled(shape: tuple[int, int]) -> Any:
            return _core().compile_model(lite_graph(self.weights, shape), "CPU", settings)

        windows = list(_windows(_extended(size), tile, receptive_radius(self.weights.params)))
        networks = {shape: compiled(shape) for shape in {wide.shape for _, wide in windows}}
        return GraphPainter(self.card.name, size, windows, networks, self.weights.params.brush)


class GraphPainter:
    """See `Painter`; safe to call from several threads."""

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        windows: Sequence[tuple[Box, Box]],
        networks: Mapping[tuple[int, int], Any],
        brush: int,
    ) -> None:
        """Args:
        size: height and width of the frames.
        windows: boxes of the extended frame, and what must be looked at for each.
        networks: compiled, for each shape of what is looked at.
        brush: radius of the flat brush under the paint; 0 for none.
        """
        self.name = name
        self._size, self._windows, self._networks, self._brush = size, windows, networks, brush
        self._local = threading.local()

    def paint(self, rgb: Picture, cut: bool, state: object) -> tuple[Picture, None]:
        """See `Painter`; nothing is remembered."""
        if len(self._windows) == 1:
            request, places = self._request(_extended(self._size))
            self._fill(rgb, [place[0] for place in places])
            return self._inner(_outputs(request)), None
        images = self._images()
        self._fill(rgb, images)
        whole: list[Picture] = []
        for box, wide in self._windows:
            request, places = self._request(wide.shape)
            for image, place in zip(images, places, strict=True):
                np.copyto(place[0], wide.of(image))
            parts = _outputs(request)
            whole = whole or [np.empty((len(part), *images[0].shape[1:]), np.float32) for part in parts]
            inner = box.within(wide)
            for part, out in zip(parts, whole, strict=True):
                np.copyto(box.of(out), inner.of(part))
        return self._inner(whole), None

    def _fill(self, rgb: Picture, images: Sequence[Picture]) -> None:
        """Write the extended frame, and the same under a flat brush if the network wants it."""
        for plane, out in zip(rgb, images[0], strict=True):
            _extend(plane, out)
        if self._brush:
            dabbed_planes(images[0], self._brush, images[1])

    def _inner(self, parts: Sequence[Picture]) -> Picture:
        """Colours and line in one, without the border."""
        painted = np.empty((sum(len(part) for part in parts), *self._size), np.float32)
        first = 0
        for part in parts:
            last = first + len(part)
            painted[first:last] = part[:, BORDER : BORDER + self._size[0], BORDER : BORDER + self._size[1]]
            first = last
        return painted

    def _images(self) -> list[Picture]:
        """This thread's extended frames."""
        if not hasattr(self._local, "images"):
            shape = (3, *_extended(self._size))
            self._local.images = [np.empty(shape, np.float32) for _ in range(1 + bool(self._brush))]
        images: list[Picture] = self._local.images
        return images

    def _request(self, shape: tuple[int, int]) -> tuple[Any, list[Picture]]:
        """This thread's request for a shape, and the arrays that it reads."""
        import openvino

        known = self._local.__dict__.setdefault("requests", {})
        if shape not in known:
            network = self._networks[shape]
            places = [np.empty((1, 3, *shape), np.float32) for _ in network.inputs]
            request = network.create_infer_request()
            for index, place in enumerate(places):
                request.set_input_tensor(index, openvino.Tensor(place, shared_memory=True))
            known[shape] = request, places
        found: tuple[Any, list[Picture]] = known[shape]
        return found


def _outputs(request: Any) -> list[Picture]:
    """What the network gives for what lies in its inputs; overwritten by the next call."""
    request.infer()
    return [tensor.data[0] for tensor in request.output_tensors]


def _extended(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a frame made a multiple of what the network takes, with its border around."""
    height, width = (-(-side // MULTIPLE) * MULTIPLE + 2 * BORDER for side in size)
    return height, width


def _extend(plane: Picture, out: Picture) -> None:
    """[h, w] into its extension: mirrored up to the multiple, as `frames.pad` has it, then repeated."""
    below, beside = (large - small - 2 * BORDER for large, small in zip(out.shape, plane.shape, strict=True))
    if below or beside:
        mirrored = below < plane.shape[0] and beside < plane.shape[1]
        how = cv2.BORDER_REFLECT_101 if mirrored else cv2.BORDER_REPLICATE
        plane = np.asarray(cv2.copyMakeBorder(plane, 0, below, 0, beside, how), np.float32)
    cv2.copyMakeBorder(plane, *(BORDER,) * 4, cv2.BORDER_REPLICATE, dst=out)


def _windows(size: tuple[int, int], tile: int | None, radius: int) -> Iterator[tuple[Box, Box]]:
    """Boxes that cover the extended frame, and what lies within the network's reach around each."""
    height, width = size
    tile = max(size) if tile is None else -(-tile // MULTIPLE) * MULTIPLE
    margin = -(-radius // MULTIPLE) * MULTIPLE
    for box in boxes(height, width, tile):
        yield box, box.grown(margin, height, width)


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
    import openvino

    return openvino.Core()


def _multiplies_bf16() -> bool:
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
