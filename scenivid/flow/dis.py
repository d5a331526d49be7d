"""OpenCV's dense inverse search flow (Kroeger et al. 2016): the CPU's estimator, and the only cv2 flow."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenivid.flow.filters import luma
from scenivid.machine.lazy import torch
from scenivid.pixels import to_pixels

if TYPE_CHECKING:
    from torch import Tensor

Grey = NDArray[np.uint8]
_SMALLEST = 32
"""Pixels: below this side DIS has no pyramid level left to search on."""


class Effort(Enum):
    """How long DIS looks."""

    MEDIUM = "medium"
    """OpenCV's preset, for measuring: end-point error 0.22 px on Middlebury RubberWhale."""
    BRISK = "brisk"
    """Half the steps of descent, bolder refinement, for 0.86 of the time: for following what moves."""
    ROUGH = "rough"
    """OpenCV's preset 'fast', for a fifth of the time: 0.44 px."""


class Dis:
    """DIS flow."""

    name = "dis"
    long_side = 384

    def __init__(self, effort: Effort = Effort.MEDIUM) -> None:
        rough = effort is Effort.ROUGH
        preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if rough else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
        self._search: Any = cv2.DISOpticalFlow.create(preset)
        if effort is Effort.BRISK:
            self._search.setGradientDescentIterations(12)
            self._search.setVariationalRefinementDelta(10.0)

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow from `first` to `second`, [N, 3, H, W] in [0, 1]: [N, 2, H, W] float32, same device."""
        pairs = zip(_grey(first), _grey(second), strict=True)
        fields = [self.between(one, two) for one, two in pairs]
        return torch.from_numpy(np.stack(fields)).permute(0, 3, 1, 2).contiguous().to(first.device)

    def both(self, now: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Flow from `now` to `before`, and a rough one back, which is enough to check it."""
        return Dis(Effort.BRISK)(now, before), Dis(Effort.ROUGH)(before, now)

    def between(self, first: Grey, second: Grey) -> NDArray[np.float32]:
        """The same for one pair of 8-bit greys, [H, W]: [H, W, 2]."""
        height, width = first.shape
        flow = self._search.calc(_large_enough(first), _large_enough(second), None)
        return np.ascontiguousarray(flow[:height, :width])


def _grey(image: Tensor) -> Grey:
    """8-bit luma of each frame, [N, H, W]."""
    grey: Grey = to_pixels(luma(image.float())[:, 0]).cpu().numpy()
    return grey


def _large_enough(grey: Grey) -> Grey:
    """Repeat the border where a side is too small to search."""
    below, beside = (max(0, _SMALLEST - side) for side in grey.shape)
    if not (below or beside):
        return np.ascontiguousarray(grey)
    return np.ascontiguousarray(np.pad(grey, ((0, below), (0, beside)), mode="edge"))
