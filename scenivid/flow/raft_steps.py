"""RAFT's steps over torchvision's modules: each frame is encoded once for both directions.

torchvision's own loop encodes every frame twice for them, enlarges the flow after each update although only
the last one counts, and copies constants from the host at every update, for which the host waits. Here they
are copied once. The encoders and the updates run in half precision on CUDA, correlations never do.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def both_ways(network: Any, now: Tensor, before: Tensor, updates: int) -> tuple[Tensor, Tensor]:
    """Flow from `now` to `before` and back.

    Args:
        network: torchvision's RAFT.
        now, before: [N, 3, H, W] in [-1, 1], H and W multiples of 8, at least 128.
        updates: how many.

    Returns:
        Two fields (u, v) in pixels, float32, [N, 2, H, W].
    """
    frames, count = torch.cat((now, before)), len(now)
    half = torch.autocast(frames.device.type, torch.float16, enabled=frames.is_cuda)
    with half:
        features, context = network.feature_encoder(frames), network.context_encoder(frames)
    others = features.float().roll(count, 0)
    pyramid = _pyramid(features.float(), others, network.corr_block.num_levels)
    size = network.update_block.hidden_state_size
    hidden, context = torch.tanh(context[:, :size]), F.relu(context[:, size:])
    rows, columns = features.shape[-2:]
    start = _grid(rows, columns, frames.device)
    flow = torch.zeros(2 * count, 2, rows, columns, device=frames.device)
    for _ in range(updates):
        near = _near(pyramid, start + flow, network.corr_block.radius)
        with half:
            hidden, change = network.update_block(hidden, context, near, flow)
        flow = flow + change.float()
    with half:
        mask = None if network.mask_predictor is None else network.mask_predictor(hidden)
    fields = _enlarged(flow, mask)
    return fields[:count], fields[count:]


def _pyramid(one: Tensor, other: Tensor, levels: int) -> list[Tensor]:
    """Correlation of each place with every place, at halved sizes of the other: [N·h·w, 1, h', w'] each."""
    count, channels, rows, columns = one.shape
    volume = torch.matmul(one.flatten(2).transpose(1, 2), other.flatten(2)) / channels**0.5
    pyramid = [volume.view(count * rows * columns, 1, rows, columns)]
    for _ in range(levels - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2, 2))
    return pyramid


def _near(pyramid: list[Tensor], places: Tensor, radius: int) -> Tensor:
    """Correlations around `places`, [N, 2, h, w] in pixels: [N, levels · (2 · radius + 1)², h, w]."""
    count, _, rows, columns = places.shape
    around = _window(radius, places.device)
    centres = places.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
    found = []
    for level, volume in enumerate(pyramid):
        x, y = (centres / 2**level + around).unbind(-1)
        height, width = volume.shape[-2:]
        grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), -1)
        found.append(F.grid_sample(volume, grid, align_corners=True).view(count, rows, columns, -1))
    return torch.cat(found, -1).permute(0, 3, 1, 2).contiguous()


def _enlarged(flow: Tensor, mask: Tensor | None) -> Tensor:
    """Eight times as large; as the mask's shares of neighbours say, if there is one."""
    count, _, rows, columns = flow.shape
    if mask is None:
        return 8 * F.interpolate(flow, (8 * rows, 8 * columns), mode="bilinear", align_corners=True)
    shares = torch.softmax(mask.float().view(count, 1, 9, 8, 8, rows, columns), 2)
    around = F.unfold(8 * flow, 3, padding=1).view(count, 2, 9, 1, 1, rows, columns)
    large = (shares * around).sum(2).permute(0, 1, 4, 2, 5, 3)
    return large.reshape(count, 2, 8 * rows, 8 * columns)


@cache
def _window(radius: int, device: torch.device) -> Tensor:
    """Offsets in torchvision's order, the first axis along x: [1, 2r + 1, 2r + 1, 2]."""
    steps = torch.arange(-radius, radius + 1, dtype=torch.float32, device=device)
    return torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)[None]


def _grid(rows: int, columns: int, device: torch.device) -> Tensor:
    """(x, y) of each pixel, [1, 2, h, w]."""
    y = torch.arange(rows, dtype=torch.float32, device=device)
    x = torch.arange(columns, dtype=torch.float32, device=device)
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1])[None]
