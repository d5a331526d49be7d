"""Farnebäck's flow with fixed settings: the one that the tOF metric is defined on."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from scenivid.pixels import to_pixels


def farneback(first: Tensor, second: Tensor) -> Tensor:
    """Flow from `first` to `second`, parameters (0.5, 3, 15, 3, 5, 1.2, 0) as in Chu et al. 2020 (TecoGAN).

    Args:
        first, second: RGB float in [0, 1], [N, 3, H, W]; the grey is 8-bit, as published.

    Returns:
        (u, v) in pixels, float32, [N, 2, H, W], on the CPU.
    """
    fields = [
        cv2.calcOpticalFlowFarneback(
            one, two, np.zeros((*one.shape, 2), np.float32), 0.5, 3, 15, 3, 5, 1.2, 0
        )
        for one, two in zip(_grey(first), _grey(second), strict=True)
    ]
    return torch.from_numpy(np.stack(fields)).permute(0, 3, 1, 2)


def _grey(image: Tensor) -> list[np.ndarray]:
    frames = to_pixels(image).permute(0, 2, 3, 1).cpu().numpy()
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
