"""Anti-aliased resampling by two; the filters are buffers because published checkpoints hold them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BlurDown(nn.Module):
    """[1, 2, 1] ⊗ [1, 2, 1] / 16, then every second pixel; reflected at the border (Zhang 2019)."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", _filter((1, 2, 1), channels))

    def forward(self, x: Tensor) -> Tensor:
        return blur_down(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filt)


class BlurUp(nn.Module):
    """Zeros between the pixels, then [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 16; replicated at the border.

    That is bilinear doubling with half-pixel centres, and computed so; `load_strictly` checks the filters.
    """

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", _filter((1, 3, 3, 1), channels) * 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def blur_down(padded: Tensor, filt: Tensor) -> Tensor:
    """Output i is centred on padded row 2i + 1; [N, C, 2h + 1, 2w + 1] to [N, C, h, w]."""
    return F.conv2d(padded, filt.to(padded.dtype), stride=2, groups=padded.shape[1])


def _filter(taps: tuple[int, ...], channels: int) -> Tensor:
    row = torch.tensor(taps, dtype=torch.float32)
    kernel = row[:, None] * row[None, :]
    return (kernel / kernel.sum()).expand(channels, 1, -1, -1).contiguous()
