"""Filters against torch's own pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from scenivid.flow.filters import average, detail, gradient_square, luma, mean3, range3, steepness


def test_mean3_and_range3_equal_pooling_inside(device: torch.device) -> None:
    image = torch.rand(2, 3, 9, 11, device=device)
    assert torch.allclose(mean3(image)[..., 1:-1, 1:-1], F.avg_pool2d(image, 3, 1), atol=1e-6)
    least, most = range3(image)
    assert torch.equal(most, F.max_pool2d(image, 3, 1, 1))
    assert torch.equal(least, -F.max_pool2d(-image, 3, 1, 1))


def test_average_keeps_the_mean_and_rounds_sizes_up() -> None:
    image = torch.rand(1, 2, 16, 24)
    assert torch.allclose(average(image, 8).mean((2, 3)), image.mean((2, 3)), atol=1e-6)
    assert average(torch.rand(1, 1, 17, 3), 8).shape == (1, 1, 3, 1)


def test_detail_of_a_flat_image_is_nothing() -> None:
    assert detail(torch.full((1, 1, 19, 30), 0.7), 8).abs().max() < 1e-6


def test_luma_of_grey_is_grey_and_gradients_of_a_ramp_are_its_slope() -> None:
    ramp = (torch.arange(10.0) * 0.05).view(1, 1, 1, 10).expand(1, 3, 6, 10)
    assert torch.allclose(luma(ramp), ramp[:, :1])
    assert torch.allclose(gradient_square(ramp)[..., :-1], torch.full((1, 1, 6, 9), 3 * 0.05**2))
    assert torch.allclose(steepness(ramp)[..., :-1], torch.full((1, 1, 6, 9), 0.05))
