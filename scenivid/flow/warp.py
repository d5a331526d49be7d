"""Moving pixels along a flow field. The one convention: out[y, x] = image[y + v, x + u]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Fetch each output pixel from where `flow` points: out[y, x] = image[y + v, x + u].

    Beyond the border the nearest pixel is repeated.

    Args:
        image: [N, C, H, W], float.
        flow: [N, 2, H, W], (u, v) in pixels, from the output back to `image`.
        mode: 'nearest', 'bilinear' or 'bicubic' (sharper over many passes; may over- and undershoot).

    Returns:
        [N, C, H, W], dtype and device of `image`.
    """
    height, width = image.shape[-2:]
    # Pixel x lies at (2x + 1) / W - 1 where the image spans [-1, 1] edge to edge (align_corners=False).
    xs = torch.arange(width, device=flow.device, dtype=torch.float32)
    ys = torch.arange(height, device=flow.device, dtype=torch.float32)
    x = (2 * (xs + flow[:, 0].float()) + 1) / width - 1
    y = (2 * (ys[:, None] + flow[:, 1].float()) + 1) / height - 1
    grid = torch.stack((x, y), dim=-1)
    warped = F.grid_sample(image.float(), grid, mode=mode, padding_mode="border", align_corners=False)
    return warped.to(image.dtype)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample a flow field to `size` (height, width); its vectors scale with the image.

    Args:
        flow: [N, 2, h, w], in pixels of an h × w image.

    Returns:
        [N, 2, *size], in pixels of an image of that size.
    """
    height, width = flow.shape[-2:]
    if (height, width) == size:
        return flow
    scale = flow.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
    return F.interpolate(flow, size, mode="bilinear", align_corners=False) * scale


def inside(flow: Tensor) -> Tensor:
    """1 where `flow` points into the frame, 0 where it points outside. [N, 2, H, W] → [N, 1, H, W]."""
    height, width = flow.shape[-2:]
    x = flow[:, :1] + torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = flow[:, 1:] + torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    ok = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return ok.to(flow.dtype)
