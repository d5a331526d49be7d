"""Places in pictures and feature maps: boxes given as shares of the width and the height."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def crop_boxes(x: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut boxes out and resample them, differentiably: [N·K, C, size, size], image by image.

    Args:
        boxes: [K, 4] as shares of W and H, the same for each image.
    """
    from torchvision.ops import roi_align  # slow to import

    height, width = x.shape[-2:]
    left, top, right, bottom = boxes.to(x).unbind(1)
    scaled = torch.stack([left * width, top * height, right * width, bottom * height], 1)
    cropped: Tensor = roi_align(x, [scaled] * x.shape[0], size, aligned=True)
    return cropped


def pool_boxes(maps: list[Tensor], boxes: Tensor) -> Tensor:
    """The mean of each box in each map, normalised and joined: [N, K, ΣC], L2-normalised again.

    Args:
        maps: [N, C, H, W] each, of any sizes.
        boxes: as for `crop_boxes`.
    """
    parts = []
    for features in maps:
        pooled = crop_boxes(features, boxes, 1).view(features.shape[0], -1, features.shape[1])
        parts.append(F.normalize(pooled, dim=2))
    return F.normalize(torch.cat(parts, dim=2), dim=2)
