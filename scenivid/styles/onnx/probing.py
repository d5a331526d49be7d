"""How to talk to a network, found out by trying: layout, value range, and how its output grows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import CheckpointError
from scenivid.styles.onnx.arrays import aligned, decode, encode, sides_of
from scenivid.styles.onnx.options import RANGES, OnnxOptions
from scenivid.styles.onnx.session import OPENING_S, check_growth, run_session

_PROBE = 256
"""Side of a test picture."""
_log = logging.getLogger(__name__)


def with_layout(
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
            decode(
                run_session(
                    session, encode(landscape(fixed, options.multiple), trial, dtype), path.name, OPENING_S
                ),
                trial,
                "",
            )
        except CheckpointError:
            continue
        return trial
    raise CheckpointError(f"{path} is not an image-to-image network: it takes neither NCHW nor NHWC pictures")


def try_small(
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
        picture = landscape((small, small), options.multiple)
        try:
            output = run_session(session, encode(picture, options, dtype), path.name, OPENING_S)
        except CheckpointError:  # too small for it
            continue
        check_growth(sides_of(output, options), small, small, path.name)


def find_range(
    session_for: Callable[[str], Any],
    path: Path,
    size: tuple[int | None, int | None],
    dtype: Any,
    options: OnnxOptions,
) -> str:
    """The range under which the test picture comes out most like a picture of the same thing."""
    picture = landscape(size, options.multiple)
    scores = {}
    for name in RANGES:
        trial = replace(options, value_range=name)
        output = decode(
            run_session(session_for(name), encode(picture, trial, dtype), path.name, OPENING_S),
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


def landscape(size: tuple[int | None, int | None], multiple: int) -> Tensor:
    """A made-up landscape in [0, 1], [1, 3, H, W]: sky, sun, hills, some grain."""
    default = aligned(_PROBE, multiple)
    height, width = size[0] or default, size[1] or default
    y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    x = torch.linspace(0, 1, width)[None, :].expand(height, width)
    ground = torch.sigmoid((y - 0.6 - 0.08 * torch.sin(9 * x)) * 60)
    sky = torch.stack([0.35 + 0.4 * y, 0.55 + 0.3 * y, 0.9 - 0.05 * y])
    grass = torch.stack([0.25 + 0.1 * x, 0.42 - 0.1 * y, 0.12 + 0.05 * x])
    sun = torch.exp(-((x - 0.7) ** 2 + (y - 0.25) ** 2) * 90)
    grain = torch.rand((height, width), generator=torch.Generator().manual_seed(0)) * 0.1 - 0.05
    return (sky * (1 - ground) + grass * ground + 0.5 * sun + grain).clamp(0, 1)[None]
