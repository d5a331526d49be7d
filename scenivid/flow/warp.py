"""Moving pixels along a flow field. The one convention: out[y, x] = image[y + v, x + u]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenivid.machine.lazy import functional as F
from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

CUBIC = 0.55
"""-a of the cubic kernel; 0.5 is Catmull-Rom. At 0.55 the gain of a half-pixel shift is just below 1."""


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Fetch each output pixel from where `flow` points: out[y, x] = image[y + v, x + u].

    Beyond the border the nearest pixel is repeated.

    Args:
        image: [N, C, H, W], float.
        flow: [N, 2, H, W], (u, v) in pixels, from the output back to `image`.
        mode: 'nearest', 'bilinear', 'bicubic' (torch's, for one pass) or 'cubic' (for repeated passes: keeps
            sharpness without ringing). The last two may over- and undershoot.

    Returns:
        [N, C, H, W], dtype and device of `image`.
    """
    height, width = image.shape[-2:]
    xs = torch.arange(width, device=flow.device, dtype=torch.float32)
    ys = torch.arange(height, device=flow.device, dtype=torch.float32)
    x, y = xs + flow[:, 0].float(), ys[:, None] + flow[:, 1].float()
    pixels = image.float()
    if mode != "cubic":
        return _sample(pixels, x, y, mode).to(image.dtype)
    # Torch's cubic has a = -0.75, whose gain above 1 grows into ringing when a frame is resampled again and
    # again. On one axis, Keys' cubic with any a is (1 + a/0.75) * smoothstep + (-a/0.75) * torch's.
    smooth = _sample(pixels, _smoothstep(x), _smoothstep(y), "bilinear")
    return torch.lerp(smooth, _sample(pixels, x, y, "bicubic"), CUBIC / 0.75).to(image.dtype)


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
    u, v = F.interpolate(flow, size, mode="bilinear", align_corners=False).unbind(dim=1)
    return torch.stack((u * (size[1] / width), v * (size[0] / height)), dim=1)


def inside(flow: Tensor) -> Tensor:
    """1 where `flow` points into the frame, 0 where it points outside. [N, 2, H, W] → [N, 1, H, W]."""
    height, width = flow.shape[-2:]
    x = flow[:, :1] + torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = flow[:, 1:] + torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    ok = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return ok.to(flow.dtype)


def _sample(image: Tensor, x: Tensor, y: Tensor, mode: str) -> Tensor:
    """Sample at pixel coordinates [N, H, W]; pixel x of an image spanning [-1, 1] is at (2x + 1) / W - 1."""
    height, width = image.shape[-2:]
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    return F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=False)


def _smoothstep(position: Tensor) -> Tensor:
    """Move the fraction f of a coordinate to 3f² - 2f³, so that linear sampling becomes smooth."""
    whole = position.floor()
    part = position - whole
    return whole + part * part * (3 - 2 * part)
