"""The conventions of flow: direction, units, pixel centres, scaling."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scenivid.flow.warp import inside, resize_flow, warp

MODES = ("nearest", "bilinear", "bicubic", "cubic")


def _constant(u: float, v: float, height: int, width: int) -> Tensor:
    return torch.tensor([float(u), float(v)]).view(1, 2, 1, 1).expand(1, 2, height, width).contiguous()


@given(
    u=st.integers(-4, 4),
    v=st.integers(-4, 4),
    height=st.integers(9, 20),
    width=st.integers(9, 20),
    mode=st.sampled_from(MODES),
)
@settings(deadline=None, max_examples=40)
def test_an_integer_flow_fetches_the_pixel_it_points_to(
    u: int, v: int, height: int, width: int, mode: str
) -> None:
    image = torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(1))
    out = warp(image, _constant(u, v, height, width), mode)
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    wanted = image[:, :, (ys + v).clamp(0, height - 1), (xs + u).clamp(0, width - 1)]
    # Cubic kernels reach two pixels beyond the border, where edges are repeated in either case.
    assert torch.allclose(out, wanted, atol=2e-5)  # positions near 20 have a float32 step of 2e-6


@pytest.mark.parametrize("mode", MODES)
def test_no_flow_is_the_identity(device: torch.device, mode: str) -> None:
    image = torch.rand(2, 3, 37, 53, device=device)
    assert torch.allclose(warp(image, torch.zeros(2, 2, 37, 53, device=device), mode), image, atol=2e-5)


def test_half_a_pixel_averages_two_neighbours(device: torch.device) -> None:
    image = torch.rand(1, 1, 8, 12, device=device)
    out = warp(image, _constant(0.5, 0, 8, 12).to(device))
    assert torch.allclose(out[..., :-1], (image[..., :-1] + image[..., 1:]) / 2, atol=1e-5)


def test_cubic_on_one_axis_is_keys_kernel() -> None:
    a, shift = -0.55, 0.3
    image = torch.rand(1, 1, 5, 16, dtype=torch.float64)

    def kernel(t: float) -> float:  # Keys 1981, equation 4
        t = abs(t)
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a

    out = warp(image.float(), _constant(shift, 0, 5, 16), "cubic").double()
    wanted = sum(kernel(k - shift) * image[..., 4 + k : 10 + k] for k in (-1, 0, 1, 2))
    assert torch.allclose(out[..., 4:10], torch.as_tensor(wanted), atol=1e-5)


def test_cubic_keeps_sharpness_without_ringing_over_many_passes() -> None:
    wave = torch.sin(torch.arange(96) * torch.pi / 4).view(1, 1, 1, 96).expand(1, 1, 8, 96)
    cubic, linear = wave, wave
    for step in range(30):  # to and fro by half a pixel, the worst case
        flow = _constant(0.5 if step % 2 else -0.5, 0, 8, 96)
        cubic, linear = warp(cubic, flow, "cubic"), warp(linear, flow)
    middle = slice(32, 64)
    assert linear[..., middle].abs().max() < 0.15
    assert 0.7 < cubic[..., middle].abs().max() <= 1.0


def test_resizing_a_flow_scales_its_vectors_with_the_image() -> None:
    flow = _constant(3, -2, 12, 20)
    large = resize_flow(flow, (24, 60))
    assert large.shape == (1, 2, 24, 60)
    assert torch.allclose(large, _constant(9, -4, 24, 60))
    assert resize_flow(flow, (12, 20)) is flow


def test_inside_tells_where_the_flow_leaves_the_frame() -> None:
    ok = inside(_constant(3, 0, 4, 10))
    assert ok[..., :7].all() and not ok[..., 7:].any()
    assert inside(_constant(0, -1, 4, 10))[..., 1:, :].all()


def test_half_precision_images_keep_their_type(device: torch.device) -> None:
    image = torch.rand(1, 3, 16, 16, device=device).to(torch.bfloat16)
    assert warp(image, torch.zeros(1, 2, 16, 16, device=device)).dtype is torch.bfloat16
