"""The painter's brushes: edge-preserving filters, batched, each looking only a few pixels around."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)


def luma(image: Tensor) -> Tensor:
    """[N, 3, H, W] → [N, 1, H, W], BT.601 weights."""
    weights = torch.tensor(_LUMA, dtype=image.dtype, device=image.device)
    return (image * weights[:, None, None]).sum(1, keepdim=True)


def gaussian(image: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur, reflected borders; a wide one is made on a smaller copy."""
    if sigma > 4 and min(image.shape[-2:]) >= 16:
        size = image.shape[-2:]
        small = F.interpolate(image, scale_factor=0.5, mode="bilinear", antialias=True)
        return F.interpolate(gaussian(small, sigma / 2), size=size, mode="bilinear", align_corners=False)
    radius = min(max(1, math.ceil(2.5 * sigma)), min(image.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    channels = image.shape[1]
    padded = F.pad(image, (radius, radius, radius, radius), mode="reflect")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def box(image: Tensor, radius: int) -> Tensor:
    """Mean over a (2·radius + 1)² window, reflected borders."""
    radius = min(radius, min(image.shape[-2:]) - 1)
    padded = F.pad(image, (radius, radius, radius, radius), mode="reflect")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)


def guided(image: Tensor, guide: Tensor, radius: int, epsilon: float) -> Tensor:
    """Guided filter (He et al. 2010): `image` smoothed, not across edges of the grey `guide` [N, 1, H, W].

    Args:
        epsilon: variance below which texture is smoothed away.
    """
    mean_guide, mean_image = box(guide, radius), box(image, radius)
    variance = box(guide * guide, radius) - mean_guide**2
    covariance = box(guide * image, radius) - mean_guide * mean_image
    slope = covariance / (variance + epsilon)
    return box(slope, radius) * guide + box(mean_image - slope * mean_guide, radius)


def kuwahara(image: Tensor, radius: float, hardness: float = 8.0) -> Tensor:
    """Generalised Kuwahara filter (Papari et al. 2007; polynomial sectors as in Kyprianidis et al. 2010).

    Eight overlapping sectors around each pixel; the calm ones win, so that texture turns into flat regions
    with edges as sharp as before.
    """
    kernels = _sectors(radius).to(image)
    reach = kernels.shape[-1] // 2
    n, channels, height, width = image.shape
    squared = (image * image).sum(1, keepdim=True)
    padded = F.pad(torch.cat([image, squared], 1), (reach,) * 4, mode="reflect")
    bank = kernels[:, None].repeat(channels + 1, 1, 1, 1)
    moments = F.conv2d(padded, bank, groups=channels + 1).view(n, channels + 1, 8, height, width)
    mean = moments[:, :channels]
    deviation = (moments[:, channels:] - (mean * mean).sum(1, keepdim=True)).clamp(min=0).sqrt()
    weight = 1 / (1 + (255 * 0.5 * deviation + 1e-3) ** (hardness / 2))
    return (mean * weight).sum(2) / weight.sum(2)


def _sectors(radius: float) -> Tensor:
    """[8, K, K] sector kernels, each summing to 1."""
    reach = max(2, round(0.85 * radius))  # the weights beyond are below a tenth
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32) / radius
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    zeta = 1 / max(radius, 2.0)
    eta = (zeta + math.cos(math.pi / 8)) / math.sin(math.pi / 8) ** 2
    disc = torch.exp(-3.125 * (x * x + y * y)) * (x * x + y * y <= 1.05)
    kernels = []
    for sector in range(8):
        angle = sector * math.pi / 4
        along = math.cos(angle) * x + math.sin(angle) * y
        across = math.cos(angle) * y - math.sin(angle) * x
        kernels.append(disc * (along + zeta - eta * across**2).clamp(min=0) ** 2)
    bank = torch.stack(kernels)
    return bank / bank.sum((1, 2), keepdim=True)


def structure(image: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Direction of edges and how clear it is.

    Returns:
        Unit tangent (x, y) [N, 2, H, W] and anisotropy [N, 1, H, W] in [0, 1].
    """
    dx, dy = _gradient(image)
    tensor = torch.cat([(dx * dx).sum(1, True), (dx * dy).sum(1, True), (dy * dy).sum(1, True)], 1)
    xx, xy, yy = gaussian(tensor, sigma).unbind(1)
    root = torch.sqrt((xx - yy) ** 2 + 4 * xy * xy + 1e-12)
    angle = 0.5 * torch.atan2(2 * xy, xx - yy) + math.pi / 2
    anisotropy = root / (xx + yy + 1e-4)
    return torch.stack([angle.cos(), angle.sin()], 1), anisotropy[:, None]


def _gradient(image: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel derivatives, per channel."""
    channels = image.shape[1]
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=image.dtype, device=image.device) / 8
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    dx = F.conv2d(padded, kernel.expand(channels, 1, 3, 3), groups=channels)
    dy = F.conv2d(padded, kernel.t().expand(channels, 1, 3, 3), groups=channels)
    return dx, dy


def along_strokes(image: Tensor, tangent: Tensor, length: Tensor, steps: int) -> Tensor:
    """Average along edges (line integral convolution): ragged contours become strokes.

    Args:
        tangent: [N, 2, H, W] unit vectors.
        length: [N, 1, H, W] pixels of one step.
        steps: steps to either side.
    """
    n, _, height, width = image.shape
    y, x = torch.meshgrid(
        torch.arange(height, dtype=image.dtype, device=image.device),
        torch.arange(width, dtype=image.dtype, device=image.device),
        indexing="ij",
    )
    start = torch.stack([x, y])[None].expand(n, -1, -1, -1)
    total, weight = image.clone(), 1.0
    for sign in (1.0, -1.0):
        position, direction = start, tangent * sign
        for step in range(1, steps + 1):
            position = position + direction * length
            share = math.exp(-2 * (step / steps) ** 2)
            total = total + share * _fetch(image, position)
            weight += share
            ahead = _fetch(tangent, position)
            ahead = ahead * torch.where((ahead * direction).sum(1, keepdim=True) < 0, -1.0, 1.0)
            direction = ahead / ((ahead * ahead).sum(1, keepdim=True).sqrt() + 1e-6)
    return total / weight


def _fetch(image: Tensor, position: Tensor) -> Tensor:
    """Bilinear samples at pixel coordinates [N, 2, H, W] (x, y)."""
    height, width = image.shape[-2:]
    scale = torch.tensor([2 / width, 2 / height], dtype=image.dtype, device=image.device)[:, None, None]
    grid = ((position + 0.5) * scale - 1).permute(0, 2, 3, 1)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def shock(image: Tensor, sigma: float, threshold: float, amount: Tensor) -> Tensor:
    """Push each side of an edge away from it (Osher and Rudin 1990, on smoothed luma): crisp, without halos.

    Args:
        threshold: curvature of the luma, in levels of 1, at which the push is about three quarters.
        amount: [N, 1, H, W] share of the way to the neighbours' extreme, 0..1.
    """
    grey = gaussian(luma(image), sigma)
    dx, dy = _gradient(grey)
    dxx, dxy = _gradient(dx)
    _, dyy = _gradient(dy)
    curvature = (dx * dx * dxx + 2 * dx * dy * dxy + dy * dy * dyy) / (dx * dx + dy * dy + 1e-6)
    darker, brighter = _neighbours(image)
    push = amount * torch.tanh(curvature / threshold)
    return torch.where(push < 0, image - push * (brighter - image), image + push * (darker - image))


def sharpen(image: Tensor, sigma: float, amount: float) -> Tensor:
    """Unsharp mask, held inside the range of each pixel's 3×3 neighbours: no overshoot, hence no halo."""
    low, high = _neighbours(image)
    return torch.minimum(torch.maximum(image + amount * (image - gaussian(image, sigma)), low), high)


def _neighbours(image: Tensor) -> tuple[Tensor, Tensor]:
    """Darkest and brightest of each pixel's 3 × 3 neighbours, per channel."""
    low = high = F.pad(image, (1, 1, 1, 1), mode="replicate")
    for dim in (-1, -2):
        inner = low.shape[dim] - 2
        low, high = (
            pick(pick(part.narrow(dim, 0, inner), part.narrow(dim, 1, inner)), part.narrow(dim, 2, inner))
            for pick, part in ((torch.minimum, low), (torch.maximum, high))
        )
    return low, high
