"""ONNX networks that take a picture of the style beside the content, as networks of one input.

Two families: one network with two pictures as inputs (AdaIN and its kin), and two networks, of which one
predicts a vector from the style picture and the other paints with it ("arbitrary style", Ghiasi et al. 2017).
Further inputs of a single number (alpha, strength) are set to 1. The style doesn't change from frame to
frame, so the vector is predicted once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scenivid.errors import CheckpointError, ConfigError
from scenivid.pixels import to_float
from scenivid.styles.onnx.session import OPENING_S, open_session, run_session
from scenivid.video.reading.pictures.images import read_image

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
"""Numbers that pictures may come in."""
Encode = Callable[[Tensor, str, Any], NDArray[Any]]
"""A picture in [0, 1], [1, 3, H, W], by layout ("nchw" or "nhwc") and number type."""
_LONG_SIDE = 512
"""Of a style picture, in pixels, where the network leaves it open."""
_MULTIPLE = 32
_log = logging.getLogger(__name__)


class Bound:
    """A session whose inputs, but for the content's, have their values already."""

    def __init__(self, session: Any, content: Any, values: Mapping[str, NDArray[Any]]) -> None:
        self._session, self._content, self._values = session, content, values

    def get_inputs(self) -> list[Any]:
        """The content's."""
        return [self._content]

    def get_outputs(self) -> list[Any]:
        """The session's."""
        outputs: list[Any] = self._session.get_outputs()
        return outputs

    def get_modelmeta(self) -> Any:
        """The session's."""
        return self._session.get_modelmeta()

    def run(self, names: list[str], feed: Mapping[str, Any], options: Any) -> list[Any]:
        """As onnxruntime's."""
        results: list[Any] = self._session.run(names, {**feed, **self._values}, options)
        return results


@dataclass(frozen=True, eq=False)
class StyleInputs:
    """A network with a style input, its inputs told apart."""

    session: Any
    content: Any
    style: Any
    """Another picture, or a vector."""
    numbers: tuple[Any, ...]
    predictor: Any
    """The session that makes the vector; None where the style is a picture."""
    name: str

    def bound(self, picture: Tensor, encode: Encode) -> Bound:
        """The network with its style picture, [1, 3, H, W] in [0, 1].

        Raises:
            CheckpointError: the network refuses it.
        """
        values: dict[str, NDArray[Any]] = {
            entry.name: np.ones(_known(entry.shape, 1), TYPES.get(entry.type, np.float32))
            for entry in self.numbers
        }
        if self.predictor is None:
            values[self.style.name] = _encoded(picture, self.style, encode)
        else:
            taken = self.predictor.get_inputs()[0]
            vector = run_session(self.predictor, _encoded(picture, taken, encode), self.name, OPENING_S)
            shape = _known(self.style.shape, 1)
            free = [place for place, side in enumerate(self.style.shape) if not isinstance(side, int)]
            if free and free[-1] > 0:  # the file leaves the length open
                shape[free[-1]] = vector.size
            if vector.size != int(np.prod(shape)):
                raise CheckpointError(f"{self.name} wants {shape} numbers of style, got {list(vector.shape)}")
            values[self.style.name] = vector.reshape(shape).astype(TYPES.get(self.style.type, np.float32))
        return Bound(self.session, self.content, values)


def style_inputs(
    path: Path, session: Any, device: torch.device, predictor: Path | None
) -> StyleInputs | None:
    """How a network takes its style; None for one that takes a single picture and gives one.

    Args:
        predictor: the network that makes the vector, for one that wants a vector; None looks for it beside
            `path`, where also the painting half is found if `path` is the predictor.

    Raises:
        CheckpointError: inputs of other kinds, or no predictor.
    """
    inputs = session.get_inputs()
    if len(inputs) == 1:
        length = _vector_length(session)
        painter = None if length is None else _beside(path, device, _paints_with(length))
        return None if painter is None else style_inputs(painter[0], painter[1], device, path)
    pictures = [entry for entry in inputs if _is_picture(entry)]
    numbers = tuple(entry for entry in inputs if _is_number(entry))
    vectors = [entry for entry in inputs if entry not in pictures and entry not in numbers]
    if len(pictures) == 2 and not vectors:
        content, style = sorted(pictures, key=_says_style)
        return StyleInputs(session, content, style, numbers, None, path.name)
    if len(pictures) == 1 and len(vectors) == 1:
        found = _predictor(path, device, predictor, _length(vectors[0].shape))
        return StyleInputs(session, pictures[0], vectors[0], numbers, found, path.name)
    told = "; ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs)
    raise CheckpointError(
        f"{path} is not an image-to-image network: expected one image as input, or a content and a style "
        f"image, got {told}"
    )


def read_style_image(path: Path) -> Tensor:
    """A picture as sRGB in [0, 1], [1, 3, H, W].

    Raises:
        InputError: it can't be read.
    """
    return to_float(torch.from_numpy(read_image(path)).permute(2, 0, 1)[None])


def no_style_wanted(path: str | Path) -> ConfigError:
    """For networks that have one input."""
    return ConfigError(
        "--style-image and --style-predictor are for ONNX networks that take a style picture, and "
        f"{path} takes none; "
        "--like gives any style the palette and tone of a picture"
    )


def _predictor(path: Path, device: torch.device, given: Path | None, length: int) -> Any:
    if given is not None:
        return open_session(given, device)
    other = _beside(path, device, lambda session: _fits(_vector_length(session), length))
    if other is None:
        raise CheckpointError(
            f"{path} paints with a vector of {length if length > 0 else 'some'} numbers: give the network "
            "that makes it with --style-predictor, or put it beside this one"
        )
    _log.info("%s: its style vectors come from %s", path.name, other[0].name)
    return other[1]


def _encoded(picture: Tensor, entry: Any, encode: Encode) -> NDArray[Any]:
    """A style picture as an input wants it: cut to its shape, never squeezed."""
    layout = "nhwc" if entry.shape[3] == 3 and entry.shape[1] != 3 else "nchw"
    axes = (1, 2) if layout == "nhwc" else (2, 3)
    sides = picture.shape[-2:]
    scale = min(1.0, _LONG_SIDE / max(sides))
    wanted = []
    for axis, side in zip(axes, sides, strict=True):
        fixed = entry.shape[axis]
        free = max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE)
        wanted.append(fixed if isinstance(fixed, int) and fixed > 0 else free)
    fill = max(extent / side for extent, side in zip(wanted, sides, strict=True))
    size = [max(extent, round(side * fill)) for side, extent in zip(sides, wanted, strict=True)]
    picture = F.interpolate(picture, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    top, left = (size[0] - wanted[0]) // 2, (size[1] - wanted[1]) // 2
    return encode(picture[..., top : top + wanted[0], left : left + wanted[1]], layout, TYPES[entry.type])


def _is_picture(entry: Any) -> bool:
    shape = entry.shape or []
    if len(shape) != 4 or entry.type not in TYPES:
        return False
    free = not isinstance(shape[1], int) and not isinstance(shape[3], int)
    return shape[1] == 3 or shape[3] == 3 or free


def _is_number(entry: Any) -> bool:
    shape = entry.shape or []
    return len(shape) < 2 and all(side == 1 or not isinstance(side, int) for side in shape)


def _says_style(entry: Any) -> int:
    """Orders content before style, by name; by place where names say nothing."""
    name = entry.name.lower()
    return ("style" in name or "reference" in name) - ("content" in name)


def _vector_length(session: Any) -> int | None:
    """How many numbers a predictor of styles gives; -1: the file doesn't say; None: it is none."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not _is_picture(inputs[0]) or len(outputs) != 1:
        return None
    wide = [side for side in (outputs[0].shape or [])[1:] if side != 1]
    return (wide[0] if isinstance(wide[0], int) else -1) if len(wide) == 1 else None


def _length(shape: list[Any]) -> int:
    """Numbers of a style vector of this shape; below 0 where it is open."""
    return int(np.prod(_known(shape[1:], -1))) if len(shape) > 1 else -1


def _fits(one: int | None, other: int) -> bool:
    return one is not None and (one == other or min(one, other) < 0)


def _paints_with(length: int) -> Callable[[Any], bool]:
    def paints(session: Any) -> bool:
        inputs = session.get_inputs()
        vectors = [entry for entry in inputs if not _is_picture(entry) and not _is_number(entry)]
        return len(inputs) > 1 and len(vectors) == 1 and _fits(length, _length(vectors[0].shape))

    return paints


def _beside(path: Path, device: torch.device, wanted: Callable[[Any], bool]) -> tuple[Path, Any] | None:
    """The one network in the same folder that fits.

    Raises:
        CheckpointError: several do.
    """
    found = []
    for other in sorted(path.parent.glob("*.onnx")):
        if other.name == path.name:
            continue
        try:
            session = open_session(other, device)
        except CheckpointError:
            continue
        if wanted(session):
            found.append((other, session))
    if len(found) > 1:
        names = ", ".join(other.name for other, _ in found)
        raise CheckpointError(
            f"{path} fits several networks beside it ({names}): give the painting half as --style, the other "
            "as --style-predictor"
        )
    return found[0] if found else None


def _known(shape: list[Any] | None, free: int) -> list[int]:
    return [side if isinstance(side, int) and side > 0 else free for side in shape or []]
