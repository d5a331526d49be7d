"""Pictures as a network takes them and gives them back: layout, value range, order of channels, size."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scenivid.errors import CheckpointError
from scenivid.styles.onnx.options import RANGES, OnnxOptions


def encode(image: Tensor, options: OnnxOptions, dtype: Any) -> NDArray[Any]:
    """What the network takes of pictures in [0, 1], [N, 3, H, W]."""
    scale, offset = RANGES.get(options.value_range, RANGES["unit"])
    if options.channels == "bgr":
        image = image.flip(1)
    if options.layout == "nhwc":
        image = image.permute(0, 2, 3, 1)
    array = (image.float() * scale + offset).cpu().numpy()
    return np.ascontiguousarray(array.round() if dtype is np.uint8 else array, dtype=dtype)


def decode(output: NDArray[Any], options: OnnxOptions, name: str) -> Tensor:
    """Pictures that a network gave, [N, 3 or 4, H, W]; the fourth channel is a line field.

    Raises:
        CheckpointError: they are none.
    """
    scale, offset = RANGES.get(options.value_range, RANGES["unit"])
    axis = 3 if options.layout == "nhwc" else 1
    if output.ndim != 4 or output.shape[axis] not in (3, 4):
        raise CheckpointError(f"{name} is not an image-to-image network: it returns {list(output.shape)}")
    image = torch.from_numpy(np.asarray(output, dtype=np.float32))
    if options.layout == "nhwc":
        image = image.permute(0, 3, 1, 2)
    colours, lines = (image[:, :3] - offset) / scale, image[:, 3:]
    return torch.cat([colours.flip(1) if options.channels == "bgr" else colours, lines], 1)


def sides_of(output: NDArray[Any], options: OnnxOptions) -> tuple[int, ...]:
    """Height and width of a network's output; nothing where it has no such axes."""
    if output.ndim != 4:
        return (1, 1)  # `decode` says what is wrong
    return output.shape[1:3] if options.layout == "nhwc" else output.shape[2:4]


def extend(image: Tensor, height: int, width: int) -> Tensor:
    """Replicate the last row and column up to height × width."""
    return F.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2]), mode="replicate")


def resize(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image, (height, width), mode="bicubic", align_corners=False, antialias=True)


def aligned(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
