"""E_warp against a transcription of the published formula in plain numpy, and against known values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenivid.evaluation.warping import e_warp, fetch, motion_of, pair_flow, warp_error

Array = NDArray[np.float64]


def _resample(image: Array, flow: Array) -> Array:
    """[H, W, C] fetched along [H, W, 2], one pixel at a time."""
    h, w = image.shape[:2]
    out = np.zeros_like(image)
    for i in range(h):
        for j in range(w):
            x, y = j + flow[i, j, 0], i + flow[i, j, 1]
            a, b = x - np.floor(x), y - np.floor(y)
            for dy, wy in ((0, 1 - b), (1, b)):
                for dx, wx in ((0, 1 - a), (1, a)):
                    row = min(max(int(np.floor(y)) + dy, 0), h - 1)
                    column = min(max(int(np.floor(x)) + dx, 0), w - 1)
                    out[i, j] += wy * wx * image[row, column]
    return out


def _published(first: Array, second: Array, forward: Array, backward: Array) -> tuple[float, Array]:
    """E(t) of docs/metrics.md for one pair, and its mask M."""
    w = _resample(backward, forward)

    def magnitude(f: Array) -> Array:
        return f[:, :, 0] ** 2 + f[:, :, 1] ** 2

    occlusion = magnitude(w + forward) > 0.01 * (magnitude(w) + magnitude(forward)) + 0.5
    h, width = forward.shape[:2]
    fx, fy = np.zeros((h, width, 2)), np.zeros((h, width, 2))
    fx[:, :-1] = forward[:, 1:] - forward[:, :-1]
    fy[:-1] = forward[1:] - forward[:-1]
    boundary = (fx**2).sum(2) + (fy**2).sum(2) > 0.01 * magnitude(forward) + 0.002
    mask = 1.0 - np.logical_or(occlusion, boundary)
    mask3 = np.repeat(mask[:, :, None], 3, axis=2)
    difference = (_resample(second, forward) - first) * mask3
    count = mask3.sum() or difference.size
    return float((difference**2).sum() / count), mask


def _hwc(tensor: Tensor) -> Array:
    return tensor[0].permute(1, 2, 0).double().numpy()


def _smooth_flow(h: int, w: int, size: float) -> Tensor:
    coarse = torch.randn(1, 2, 3, 4) * size
    return torch.nn.functional.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)


@pytest.mark.parametrize("size", [0.3, 2.0, 9.0])
def test_error_and_mask_equal_the_published_formula(size: float) -> None:
    first, second = torch.rand(2, 1, 3, 21, 34)
    forward = _smooth_flow(21, 34, size)
    backward = -forward + 0.4 * _smooth_flow(21, 34, 1.0)
    expected, mask = _published(*map(_hwc, (first, second, forward, backward)))
    pair = pair_flow(forward, backward)
    assert np.array_equal(pair.visible[0, 0].numpy(), mask > 0)
    assert 0 < pair.share < 1  # the case exercises both sides of the mask
    assert float(warp_error(first, second, pair)) == pytest.approx(expected, abs=1e-6)


def test_static_video_has_exactly_no_error() -> None:
    cv2 = pytest.importorskip("cv2")
    frame = torch.rand(1, 3, 48, 64)

    def dis(first: Tensor, second: Tensor) -> Tensor:
        grey = [(x[0].mean(0) * 255).to(torch.uint8).numpy() for x in (first, second)]
        return torch.from_numpy(cv2.DISOpticalFlow_create(2).calc(*grey, None)).permute(2, 0, 1)[None]

    video = frame.expand(4, -1, -1, -1)
    assert e_warp(video, motion_of(video, dis)) == 0.0


def test_known_value_on_a_translation() -> None:
    """A picture shifted 3 px a frame costs nothing; one shown 0.1 brighter on odd frames costs 0.1²."""
    wide = torch.rand(1, 3, 16, 80)
    source = torch.cat([wide[..., 3 * t : 3 * t + 40] for t in range(5)])

    def known(first: Tensor, second: Tensor) -> Tensor:
        sign = -1.0 if torch.equal(first[..., 3:], second[..., :-3]) else 1.0
        return torch.tensor([3.0 * sign, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 16, 40)

    motion = motion_of(source, known)
    # The three columns that leave the frame are fetched from its border: replace them by a margin.
    inside = torch.zeros(1, 1, 16, 40, dtype=torch.bool)
    inside[..., 4:-4] = True
    motion = [type(pair)(pair.flow, pair.visible & inside) for pair in motion]
    assert e_warp(source, motion) == 0.0
    flickering = source + 0.1 * (torch.arange(5) % 2).reshape(5, 1, 1, 1)
    assert e_warp(flickering, motion) == pytest.approx(0.01, rel=1e-5)
    pair = motion[0]
    absolute = warp_error(flickering[:1], flickering[1:2], pair, norm="absolute")
    assert float(absolute) == pytest.approx(0.1, rel=1e-5)


def test_an_all_hidden_pair_counts_nothing() -> None:
    pair = pair_flow(torch.full((1, 2, 8, 8), 5.0), torch.full((1, 2, 8, 8), 5.0))
    assert pair.share == 0
    assert float(warp_error(*torch.rand(2, 1, 3, 8, 8), pair)) == 0.0


def test_fetch_is_batched_and_copies_whole_pixels() -> None:
    image, flow = torch.rand(2, 3, 9, 12), torch.randn(2, 2, 9, 12) * 3
    assert torch.equal(fetch(image, flow)[1:], fetch(image[1:], flow[1:]))
    assert torch.equal(fetch(image, torch.zeros_like(flow)), image)
    shifted = fetch(image, torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1).expand_as(flow))
    assert torch.equal(shifted[..., 1:, :-2], image[..., :-1, 2:])
    half = fetch(image, torch.tensor([0.5, 0.0]).reshape(1, 2, 1, 1).expand_as(flow))
    assert torch.allclose(half[..., :-1], (image[..., :-1] + image[..., 1:]) / 2)
