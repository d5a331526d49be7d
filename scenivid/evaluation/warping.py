"""Warping error: how much a frame differs from the next one once the camera's motion is undone.

Lai et al. 2018, "Learning Blind Video Temporal Consistency": the constants are those of the published
`evaluate_WarpError.py` and `utils.py`. The flow is always that of the *input* video. Published numbers are
not comparable (flow network, JPEG round trip): measure every baseline here, on the same clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

FlowFunction = Callable[[Tensor, Tensor], Tensor]
"""`flow(first, second)`, both float RGB [N, 3, H, W] in [0, 1] → (u, v) as [N, 2, H, W] in pixels, such that
first[y, x] ≈ second[y+v, x+u]."""


@dataclass(frozen=True, eq=False)
class PairFlow:
    """How `second` is brought onto `first`, and where that can be trusted."""

    flow: Tensor
    """Flow first → second, float32 [N, 2, H, W], (u, v) in pixels; N = 1 serves any number of videos."""
    visible: Tensor
    """Mask of what counts, bool [N, 1, H, W]: neither occluded nor at a motion boundary."""

    @property
    def share(self) -> float:
        """Share of pixels that count, 0..1."""
        return float(self.visible.float().mean())


def fetch(image: Tensor, flow: Tensor) -> Tensor:
    """Bilinear out[y, x] = image[y+v, x+u] with the taps clamped to the frame, as published (Resample2d).

    Whole-pixel flow gives exact copies, so a static video has an error of exactly zero (`flow.warp` comes
    within rounding of it, which is not enough here).

    Args:
        image: [N, C, H, W], float32.
        flow: [N, 2, H, W] or one for all, [1, 2, H, W], pixels.
    """
    n, c, h, w = image.shape
    if len(flow) > 1:
        return torch.cat([fetch(image[i : i + 1], flow[i : i + 1]) for i in range(n)])
    rows = torch.arange(h, device=flow.device, dtype=flow.dtype)[:, None]
    columns = torch.arange(w, device=flow.device, dtype=flow.dtype)
    x, y = columns + flow[0, 0], rows + flow[0, 1]
    left, top = x.floor(), y.floor()
    ax, ay = x - left, y - top
    x0, x1 = left.clamp(0, w - 1).int(), (left + 1).clamp(0, w - 1).int()
    y0, y1 = top.clamp(0, h - 1).int() * w, (top + 1).clamp(0, h - 1).int() * w
    taps = torch.stack([y0 + x0, y0 + x1, y1 + x0, y1 + x1], dim=-1).reshape(h * w, 4)
    weights = torch.stack([(1 - ay) * (1 - ax), (1 - ay) * ax, ay * (1 - ax), ay * ax], dim=-1).reshape(
        h * w, 4
    )
    # Bilinear sampling is a weighted sum of table rows; this kernel is several times faster than gather.
    table = image.reshape(n * c, h * w).t().contiguous()
    fetched = F.embedding_bag(taps, table, per_sample_weights=weights.to(table.dtype), mode="sum")
    return fetched.t().reshape(n, c, h, w)


def pair_flow(forward: Tensor, backward: Tensor) -> PairFlow:
    """The published mask. Occluded: |w+f|² > 0.01(|w|²+|f|²)+0.5 with w = backward fetched along forward;
    motion boundary: |∇u|²+|∇v|² > 0.01|f|²+0.002 (forward differences, 0 in the last row and column).

    Args:
        forward: flow first → second, [N, 2, H, W], pixels.
        backward: flow second → first, same shape.
    """
    back = fetch(backward, forward)
    length = _squared(forward)
    occluded = _squared(back + forward) > 0.01 * (_squared(back) + length) + 0.5
    steep = torch.zeros_like(length)
    steep[..., :, :-1] += _squared(forward[..., :, 1:] - forward[..., :, :-1])
    steep[..., :-1, :] += _squared(forward[..., 1:, :] - forward[..., :-1, :])
    boundary = steep > 0.01 * length + 0.002
    return PairFlow(flow=forward, visible=~(occluded | boundary))


@dataclass(frozen=True, eq=False)
class MaskedError:
    """Warping error of N pairs."""

    map: Tensor
    """Mean over channels at each pixel, 0 where hidden, [N, 1, H, W]."""
    mean: Tensor
    """Mean over visible pixels and channels, float64 [N]."""


def masked_error(
    first: Tensor, second: Tensor, pair: PairFlow, norm: Literal["squared", "absolute"] = "squared"
) -> MaskedError:
    """(fetch(second) − first)², or its absolute value, where visible.

    Args:
        first, second: float RGB in [0, 1], [N, 3, H, W].
        norm: 'squared' is Lai et al. 2018, 'absolute' is Lei et al. 2020 (Deep Video Prior).

    A pair without any visible pixel counts as 0, as published.
    """
    difference = fetch(second, pair.flow) - first
    error = difference.square() if norm == "squared" else difference.abs()
    visible = error.mean(dim=1, keepdim=True) * pair.visible
    total = visible.sum(dim=(1, 2, 3), dtype=torch.float64)
    return MaskedError(visible, total / pair.visible.sum(dim=(1, 2, 3)).clamp(min=1))


def warp_error(
    first: Tensor, second: Tensor, pair: PairFlow, norm: Literal["squared", "absolute"] = "squared"
) -> Tensor:
    """`masked_error(…).mean`: one number a pair, float64 [N]."""
    return masked_error(first, second, pair, norm).mean


def motion_of(source: Tensor, flow: FlowFunction) -> list[PairFlow]:
    """Flow and mask of each pair (t, t+1) of a short clip in memory, [T, 3, H, W] in [0, 1] → T−1 pairs.

    Compute it once and pass it to `e_warp` for each result made from the same source.
    """
    frames = [source[t : t + 1] for t in range(len(source))]
    return [pair_flow(flow(now, after), flow(after, now)) for now, after in pairwise(frames)]


def e_warp(styled: Tensor, motion: Sequence[PairFlow]) -> float:
    """E_warp of a short clip in memory: the mean of `warp_error` over its T−1 pairs.

    Args:
        styled: float RGB in [0, 1], [T, 3, H, W].
        motion: `motion_of(source, flow)`, T−1 pairs.
    """
    return sum(e_warp_curve(styled, motion)) / len(motion)


def e_warp_curve(styled: Tensor, motion: Sequence[PairFlow]) -> list[float]:
    """`warp_error` of each pair (t, t+1), t = 0 … T−2; arguments as in `e_warp`."""
    if len(styled) != len(motion) + 1 or not motion:
        raise ValueError(f"{len(styled)} frames need {len(styled) - 1} ≥ 1 pairs of flow, got {len(motion)}")
    return [
        float(warp_error(styled[t : t + 1], styled[t + 1 : t + 2], pair)) for t, pair in enumerate(motion)
    ]


def _squared(flow: Tensor) -> Tensor:
    return flow.square().sum(dim=1, keepdim=True)
