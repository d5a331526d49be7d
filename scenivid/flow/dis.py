"""OpenCV's dense inverse search flow (Kroeger et al. 2016): the CPU's estimator, and the only cv2 flow."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from scenivid.flow.filters import luma
from scenivid.frames import to_pixels

_SMALLEST = 32
"""Pixels: below this side DIS has no pyramid level left to search on."""


class Dis:
    """DIS flow, preset 'medium' (end-point error 0.22 px on Middlebury RubberWhale, 'fast' 0.44)."""

    name = "dis"
    long_side = 512

    def __init__(self) -> None:
        self._search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow from `first` to `second`, [N, 3, H, W] in [0, 1]: [N, 2, H, W] float32, same device."""
        fields = [
            self._search.calc(one, two, None) for one, two in zip(_grey(first), _grey(second), strict=True)
        ]
        height, width = first.shape[-2:]
        flow = torch.from_numpy(np.stack(fields)).permute(0, 3, 1, 2)[..., :height, :width]
        return flow.contiguous().to(first.device)


def _grey(image: Tensor) -> list[np.ndarray]:
    """8-bit luma of each frame, repeated at the border where a side is too small to search."""
    grey = to_pixels(luma(image.float())[:, 0]).cpu().numpy()
    below, beside = (max(0, _SMALLEST - side) for side in grey.shape[-2:])
    return [np.ascontiguousarray(np.pad(frame, ((0, below), (0, beside)), mode="edge")) for frame in grey]
