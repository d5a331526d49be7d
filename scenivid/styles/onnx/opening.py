"""Styles people already have: any ONNX network from an image to an image of about the same size.

What the file says (layout, size, number type) is believed; the value range it can't say is found by trying
the three usual ones on a test picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.checkpoint import ModelCard
from scenivid.styles.onnx.arrays import decode, encode
from scenivid.styles.onnx.options import RANGES, OnnxOptions
from scenivid.styles.onnx.probing import find_range, landscape, try_small, with_layout
from scenivid.styles.onnx.session import OPENING_S, open_session, run_session
from scenivid.styles.onnx.style_inputs import TYPES, no_style_wanted, read_style_image, style_inputs
from scenivid.styles.onnx.stylizer import OnnxStylizer

Number = TypeVar("Number", int, float)


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
        predictor: see `style_inputs.style_inputs`.

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
            style, lambda image, layout, dtype: encode(image, replace(ranged, layout=layout), dtype)
        )

    if options.value_range == "auto":  # a picture in its own style should stay what it is
        probe = landscape((None, None), options.multiple)
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
    options = with_layout(session, path, shape, dtype, options)
    size = (shape[2], shape[3]) if options.layout == "nchw" else (shape[1], shape[2])
    try_small(session, path, size, dtype, options)
    if options.value_range == "auto":
        options = replace(options, value_range=find_range(session_for, path, size, dtype, options))
    session = session_for(options.value_range)
    card = ModelCard(
        path.stem,
        "onnx",
        description=f"{path.name}, {options.layout}, {options.value_range} range",
        paint=_number(meta.get("scenivid_paint"), int),
        ink=_number(meta.get("scenivid_ink"), float),
    )
    picture = landscape(size, options.multiple)  # fails here, not after the first frame was decoded
    output = decode(
        run_session(session, encode(picture, options, dtype), path.name, OPENING_S), options, path.name
    )
    if output.shape[-2] < picture.shape[-2] / 2 or output.shape[-1] < picture.shape[-1] / 2:
        raise CheckpointError(
            f"{path} is not an image-to-image network: from a picture of {list(picture.shape[-2:])} "
            f"it makes {list(output.shape[-2:])}"
        )
    return OnnxStylizer(card, session, options, size, shape[0] is None, dtype, output.shape[1] == 4)


def _number(text: str | None, kind: Callable[[str], Number]) -> Number | None:
    """A number from a file's metadata; what makes no sense counts as absent."""
    try:
        return None if text is None else kind(text)
    except ValueError:
        return None
