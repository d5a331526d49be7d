"""Styles people already have: any ONNX network from an image to an image of about the same size.

What the file says (layout, size, number type) is believed; the value range it can't say is found by trying
the three usual ones on a test picture. Nothing is known of the network's reach, so tiles are windows
cross-faded over 64 pixels: close, not exact. A network of fixed size gets frames scaled to fit, their aspect
kept by padding, and the result is scaled back; with a tile it gets windows of its own size instead, which
keeps detail but lets a network that normalises treat every window differently.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scenivid.errors import CheckpointError, ConfigError
from scenivid.ink import DEFAULT_INK
from scenivid.nets.checkpoint import ModelCard
from scenivid.pixels import pad, unpad
from scenivid.styles.onnx_bound import TYPES, no_style_wanted, read_style_image, style_inputs
from scenivid.styles.onnx_options import RANGES, OnnxOptions
from scenivid.styles.onnx_run import OPENING_S, check_growth, open_session, run_session
from scenivid.styles.stylizer import StyleState
from scenivid.styles.tiling import check_tile, run_blended

_OVERLAP = 64
_PROBE = 256
Number = TypeVar("Number", int, float)
_log = logging.getLogger(__name__)


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
                fixed_height or _aligned(tile, self.multiple),
                fixed_width or _aligned(tile, self.multiple),
            )
            if height > window[0] or width > window[1]:
                padded = _extend(image, max(height, window[0]), max(width, window[1]))
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
            self.size[0] or _aligned(inner[0], self.multiple),
            self.size[1] or _aligned(inner[1], self.multiple),
        )
        styled = self._run(_extend(_resize(image, *inner), *full))
        return _resize(styled[..., : inner[0], : inner[1]], height, width).clamp(0, 1)

    def _run(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] in [0, 1] to the same, of a size the network takes."""
        array = _encode(image, self.options, self.dtype)
        output = run_session(self.session, array, self.card.name)
        check_growth(_sides(output, self.options), image.shape[-2], image.shape[-1], self.card.name)
        styled = _decode(output, self.options, self.card.name).to(image.device)
        if styled.shape[-2:] != image.shape[-2:]:  # a network that enlarges, or drops a few rows at the edge
            styled = _resize(styled, *image.shape[-2:])
        return styled.clamp(0, 1)


def open_onnx(
    path: Path,
    device: torch.device,
    options: OnnxOptions,
    style_image: Path | None = None,
    predictor: Path | None = None,
) -> OnnxStylizer:
    """Open an ONNX network and find out how to talk to it.

    Runs on the GPU if `device` is one and onnxruntime was built for it, else on the CPU.

    Args:
        style_image: the style's picture, for networks that take one beside the content.
        predictor: see `onnx_bound.style_inputs`.

    Raises:
        DependencyError: onnxruntime isn't installed.
        CheckpointError: Not an ONNX file, or not a network from one image (or two) to one image.
        ConfigError: A style picture is missing, or one too many.
        InputError: It can't be read.
    """
    session = open_session(path, device)
    styled = style_inputs(path, session, device, predictor)
    if styled is None:
        if style_image is not None:
            raise no_style_wanted(path)
        return _opened(path, lambda _: session, options)
    if style_image is None:
        raise ConfigError(f"{path} takes its style from a picture: name one with --style-image")
    picture = read_style_image(style_image)

    def session_for(value_range: str, style: Tensor = picture) -> Any:
        ranged = replace(options, value_range=value_range)
        return styled.bound(
            style, lambda image, layout, dtype: _encode(image, replace(ranged, layout=layout), dtype)
        )

    if options.value_range == "auto":  # a picture in its own style should stay what it is
        probe = _picture((None, None), options.multiple)
        found = _opened(path, lambda name: session_for(name, probe), options)
        options = replace(options, value_range=found.options.value_range)
    return replace(_opened(path, session_for, options), whole_batch=False)  # there is one style picture


def _opened(path: Path, session_for: Callable[[str], Any], options: OnnxOptions) -> OnnxStylizer:
    """A network that `session_for` gives, of one input; what else it takes is in the value range named."""
    session = session_for(options.value_range)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in TYPES:
        shapes = "; ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs)
        raise CheckpointError(
            f"{path} is not an image-to-image network: expected one image as input, got {shapes}"
        )
    if not outputs:
        raise CheckpointError(f"{path} is not an image-to-image network: it has no output")
    if len(outputs[0].shape or [0] * 4) != 4:
        raise CheckpointError(
            f"{path} is not an image-to-image network: its output {outputs[0].name} is {outputs[0].shape}"
        )
    shape = [entry if isinstance(entry, int) and entry > 0 else None for entry in inputs[0].shape]
    dtype = TYPES[inputs[0].type]
    meta = session.get_modelmeta().custom_metadata_map
    if options.value_range == "auto" and meta.get("scenivid_range") in RANGES:
        options = replace(options, value_range=meta["scenivid_range"])
    if options.value_range == "auto" and dtype is np.uint8:
        options = replace(options, value_range="byte")
    options = _with_layout(session, path, shape, dtype, options)
    size = (shape[2], shape[3]) if options.layout == "nchw" else (shape[1], shape[2])
    _check_growth(session, path, size, dtype, options)
    if options.value_range == "auto":
        options = replace(options, value_range=_find_range(session_for, path, size, dtype, options))
    session = session_for(options.value_range)
    card = ModelCard(
        path.stem,
        "onnx",
        description=f"{path.name}, {options.layout}, {options.value_range} range",
        paint=_number(meta.get("scenivid_paint"), int),
        ink=_number(meta.get("scenivid_ink"), float),
    )
    picture = _picture(size, options.multiple)  # fails here, not after the first frame was decoded
    output = _decode(
        run_session(session, _encode(picture, options, dtype), path.name, OPENING_S), options, path.name
    )
    if output.shape[-2] < picture.shape[-2] / 2 or output.shape[-1] < picture.shape[-1] / 2:
        raise CheckpointError(
            f"{path} is not an image-to-image network: from a picture of {list(picture.shape[-2:])} "
            f"it makes {list(output.shape[-2:])}"
        )
    return OnnxStylizer(card, session, options, size, shape[0] is None, dtype, output.shape[1] == 4)


def _with_layout(
    session: Any, path: Path, shape: list[int | None], dtype: Any, options: OnnxOptions
) -> OnnxOptions:
    """Fill in the layout: by the axis that is 3, else by which of the two the network accepts."""
    if options.layout != "auto":
        return options
    if (shape[1] == 3) != (shape[3] == 3):
        return replace(options, layout="nchw" if shape[1] == 3 else "nhwc")
    if any(extent is not None for extent in (shape[1], shape[3])):
        raise CheckpointError(
            f"{path} is not an image-to-image network: input {shape} has no axis of 3 channels"
        )
    for layout in ("nchw", "nhwc"):
        trial = replace(options, layout=layout)
        fixed = (shape[2], shape[3]) if layout == "nchw" else (shape[1], shape[2])
        try:
            _decode(
                run_session(
                    session, _encode(_picture(fixed, options.multiple), trial, dtype), path.name, OPENING_S
                ),
                trial,
                "",
            )
        except CheckpointError:
            continue
        return trial
    raise CheckpointError(f"{path} is not an image-to-image network: it takes neither NCHW nor NHWC pictures")


def _check_growth(
    session: Any, path: Path, size: tuple[int | None, int | None], dtype: Any, options: OnnxOptions
) -> None:
    """Find out what a network makes of small pictures before it gets large ones."""
    declared = session.get_outputs()[0].shape or []
    axes = (1, 2) if options.layout == "nhwc" else (2, 3)
    sides = [declared[axis] if len(declared) == 4 else None for axis in axes]
    if isinstance(sides[0], int) and isinstance(sides[1], int) and size[0] and size[1]:
        check_growth((sides[0], sides[1]), size[0], size[1], path.name)
    for small in (options.multiple, 4 * options.multiple):
        if size != (None, None) or small >= _PROBE:
            return
        picture = _picture((small, small), options.multiple)
        try:
            output = run_session(session, _encode(picture, options, dtype), path.name, OPENING_S)
        except CheckpointError:  # too small for it
            continue
        check_growth(_sides(output, options), small, small, path.name)


def _sides(output: NDArray[Any], options: OnnxOptions) -> tuple[int, ...]:
    """Height and width of a network's output; nothing where it has no such axes."""
    if output.ndim != 4:
        return (1, 1)  # `_decode` says what is wrong
    return output.shape[1:3] if options.layout == "nhwc" else output.shape[2:4]


def _find_range(
    session_for: Callable[[str], Any],
    path: Path,
    size: tuple[int | None, int | None],
    dtype: Any,
    options: OnnxOptions,
) -> str:
    """The range under which the test picture comes out most like a picture of the same thing."""
    picture = _picture(size, options.multiple)
    scores = {}
    for name in RANGES:
        trial = replace(options, value_range=name)
        output = _decode(
            run_session(session_for(name), _encode(picture, trial, dtype), path.name, OPENING_S),
            trial,
            path.name,
        )
        scores[name] = _unlikeness(picture, output)
    ranked = sorted(scores, key=lambda name: scores[name])
    _log.info("%s: value range %s (%s)", path.name, ranked[0], scores)
    if scores[ranked[1]] - scores[ranked[0]] < 0.02:
        _log.warning(
            "%s: its value range is a guess (%s); if colours look wrong, set it by hand", path.name, ranked[0]
        )
    return ranked[0]


def _unlikeness(picture: Tensor, output: Tensor) -> float:
    """0 for a picture of the same thing: colours near, few values outside [0, 1], contrast kept."""
    if not bool(torch.isfinite(output).all()):
        return float("inf")
    small, styled = (F.interpolate(image, (32, 32), mode="area") for image in (picture, output))
    outside = (output - output.clamp(0, 1)).abs().mean()
    return float((small - styled.clamp(-1, 2)).abs().mean() + outside + (small.std() - styled.std()).abs())


def _picture(size: tuple[int | None, int | None], multiple: int) -> Tensor:
    """A made-up landscape in [0, 1], [1, 3, H, W]: sky, sun, hills, some grain."""
    default = _aligned(_PROBE, multiple)
    height, width = size[0] or default, size[1] or default
    y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    x = torch.linspace(0, 1, width)[None, :].expand(height, width)
    ground = torch.sigmoid((y - 0.6 - 0.08 * torch.sin(9 * x)) * 60)
    sky = torch.stack([0.35 + 0.4 * y, 0.55 + 0.3 * y, 0.9 - 0.05 * y])
    grass = torch.stack([0.25 + 0.1 * x, 0.42 - 0.1 * y, 0.12 + 0.05 * x])
    sun = torch.exp(-((x - 0.7) ** 2 + (y - 0.25) ** 2) * 90)
    grain = torch.rand((height, width), generator=torch.Generator().manual_seed(0)) * 0.1 - 0.05
    return (sky * (1 - ground) + grass * ground + 0.5 * sun + grain).clamp(0, 1)[None]


def _encode(image: Tensor, options: OnnxOptions, dtype: Any) -> NDArray[Any]:
    scale, offset = RANGES.get(options.value_range, RANGES["unit"])
    if options.channels == "bgr":
        image = image.flip(1)
    if options.layout == "nhwc":
        image = image.permute(0, 2, 3, 1)
    array = (image.float() * scale + offset).cpu().numpy()
    return np.ascontiguousarray(array.round() if dtype is np.uint8 else array, dtype=dtype)


def _decode(output: NDArray[Any], options: OnnxOptions, name: str) -> Tensor:
    scale, offset = RANGES.get(options.value_range, RANGES["unit"])
    axis = 3 if options.layout == "nhwc" else 1
    if output.ndim != 4 or output.shape[axis] not in (3, 4):
        raise CheckpointError(f"{name} is not an image-to-image network: it returns {list(output.shape)}")
    image = torch.from_numpy(np.asarray(output, dtype=np.float32))
    if options.layout == "nhwc":
        image = image.permute(0, 3, 1, 2)
    colours, lines = (image[:, :3] - offset) / scale, image[:, 3:]
    return torch.cat([colours.flip(1) if options.channels == "bgr" else colours, lines], 1)


def _extend(image: Tensor, height: int, width: int) -> Tensor:
    """Replicate the last row and column up to height × width."""
    return F.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2]), mode="replicate")


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image, (height, width), mode="bicubic", align_corners=False, antialias=True)


def _aligned(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _number(text: str | None, kind: Callable[[str], Number]) -> Number | None:
    """A number from a file's metadata; what makes no sense counts as absent."""
    try:
        return None if text is None else kind(text)
    except ValueError:
        return None
