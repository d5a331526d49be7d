"""The painter's brushes: filters that are batched and look only a few pixels around."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def rise(value: Tensor, low: float, high: float) -> Tensor:
    """0 below `low`, 1 above `high`, smooth between."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def gaussian(image: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur, replicated borders; a wide one is made on a smaller copy."""
    if sigma > 4:
        height, width = image.shape[-2:]
        even = F.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
        small = gaussian(F.avg_pool2d(even, 2), sigma / 2)
        size = even.shape[-2:]
        return F.interpolate(small, size=size, mode="bilinear", align_corners=False)[..., :height, :width]
    radius = max(1, math.ceil(2.5 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    channels = image.shape[1]
    padded = F.pad(image, (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def slope(image: Tensor) -> Tensor:
    """Length of the gradient over all channels, per pixel, [N, 1, H, W]."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return ((dx * dx + dy * dy).sum(1, keepdim=True) + 1e-12).sqrt()


def step_height(image: Tensor, sigma: float) -> Tensor:
    """How high a step of that width would be: A in the middle of a straight step of height A, at every sigma.

    Texture and lines finer than `sigma` fade from it, so that two sigmas tell steps from stripes.
    """
    return slope(gaussian(image, sigma)) * (sigma * math.sqrt(2 * math.pi))


def melt(image: Tensor, guide: Tensor, tolerance: float, reach: int, stride: int = 1) -> Tensor:
    """A bilateral filter, along rows and then along columns: neighbours of like colour melt together.

    Args:
        image: [N, C, H, W].
        guide: [N, G, H, W], whose distances decide.
        tolerance: distance at which a neighbour counts 0.6.
        reach: neighbours to either side, every `stride` pixels.
    """
    for axis in (-1, -2):
        total, weight = image.clone(), torch.ones_like(guide[:, :1])
        length = image.shape[axis]
        for tap in range(1, min(reach, (length - 1) // stride) + 1):
            away = tap * stride
            rest = length - away
            apart = guide.narrow(axis, away, rest) - guide.narrow(axis, 0, rest)
            alike = apart.square_().sum(1, keepdim=True)
            alike = alike.mul_(-0.5 / tolerance**2).sub_(0.5 * (tap / (0.7 * reach)) ** 2).exp_()
            total.narrow(axis, 0, rest).addcmul_(image.narrow(axis, away, rest), alike)
            total.narrow(axis, away, rest).addcmul_(image.narrow(axis, 0, rest), alike)
            weight.narrow(axis, 0, rest).add_(alike)
            weight.narrow(axis, away, rest).add_(alike)
        melted = total.div_(weight)
        guide = melted if guide is image else guide
        image = melted
    return image


def dab(image: Tensor, radius: float, hardness: float = 3.0) -> Tensor:
    """A Kuwahara filter with eight round brushes around each pixel: the calmest ones win.

    Each brush is a Gaussian set off from the pixel (cf. Papari et al. 2007), so one blur serves all eight:
    texture becomes flat dabs, edges come out as crisp as before or crisper.
    """
    sigma, offset = 0.42 * radius, 0.62 * radius
    reach = math.ceil(offset)
    squared = (image * image).sum(1, keepdim=True)
    moments = gaussian(torch.cat([image, squared], 1), sigma)
    height, width = image.shape[-2:]
    spread = moments[:, -1:] - moments[:, :-1].square().sum(1, keepdim=True)
    calm = spread.clamp_(min=0).mul_(40000).add_(1.0).pow_(-0.5 * hardness)
    padded = F.pad(torch.cat([moments[:, :-1] * calm, calm], 1), (reach,) * 4, mode="replicate")
    total = torch.zeros_like(padded[..., :height, :width])
    for turn in range(8):
        angle = turn * math.pi / 4
        y = reach + round(offset * math.sin(angle))
        x = reach + round(offset * math.cos(angle))
        total += padded[..., y : y + height, x : x + width]
    return total[:, :-1] / total[:, -1:]


def dark_lines(image: Tensor, across: float, along: float) -> Tensor:
    """How much of a dark line runs through each pixel: the best of eight long filters.

    Long filters average along the edge, so noise and short dashes stay weak, and the best of eight changes
    smoothly where the edge turns.

    Args:
        image: [N, C, H, W]; channels are taken apart.
        across: half width (sigma) of a line.
        along: half length (sigma) of a filter.

    Returns:
        [N, C, H, W]: about 1 at the dark side of a step of height 1, less than 0 beside lines.
    """
    bank = _bars(across, along).to(image)
    reach = bank.shape[-1] // 2
    n, channels, height, width = image.shape
    padded = F.pad(image, (reach,) * 4, mode="replicate")
    flat = padded.reshape(n * channels, 1, *padded.shape[-2:])
    return F.conv2d(flat, bank[:, None]).amax(1).view(n, channels, height, width)


def _bars(across: float, along: float) -> Tensor:
    """[8, K, K]: wide minus narrow Gaussian across, Gaussian along; each sums to 0."""
    wide = 1.7 * across
    reach = math.ceil(max(2.4 * wide, 2.0 * along))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    bars = []
    for turn in range(8):
        angle = turn * math.pi / 8
        u = math.cos(angle) * x + math.sin(angle) * y
        v = math.cos(angle) * y - math.sin(angle) * x
        length = torch.exp(-0.5 * (u / along) ** 2)
        outer = length * torch.exp(-0.5 * (v / wide) ** 2)
        inner = length * torch.exp(-0.5 * (v / across) ** 2)
        bars.append(outer / outer.sum() - inner / inner.sum())
    # Beside a unit step the difference of the two Gaussian edges peaks at 0.127 for this ratio of widths.
    return torch.stack(bars) / 0.127
