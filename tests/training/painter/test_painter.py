"""The painter: local, deterministic, the same at every size; crisp edges, lines only where they last."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.training.painter import LOOKS, SHORT_SIDE, look_named, paint, paint_composed

RADIUS = 96
"""Pixels beyond which nothing is looked at."""
NAMES = sorted(LOOKS)


def _scene(size: int = 96, seed: int = 0) -> Tensor:
    """Smooth blobs, a few steps and a little noise: [1, 3, size, size]."""
    random = torch.Generator().manual_seed(seed)
    blobs = F.interpolate(torch.rand(1, 3, 6, 6, generator=random), size=(size, size), mode="bicubic")
    steps = F.interpolate(torch.rand(1, 3, 4, 4, generator=random), size=(size, size), mode="nearest")
    noise = torch.randn(1, 3, size, size, generator=random) * 0.01
    return (0.5 * blobs + 0.5 * steps + noise).clamp(0, 1)


def _step(height: float = 0.5, size: int = 96) -> Tensor:
    image = torch.full((1, 3, size, size), 0.75)
    image[..., size // 2 :] -= height
    return image


@pytest.mark.parametrize("name", NAMES)
def test_colours_and_lines_are_in_range_and_of_the_photographs_size(name: str) -> None:
    painting = paint(torch.rand(2, 3, 51, 67), LOOKS[name])
    assert painting.flat.shape == (2, 3, 51, 67) and painting.line.shape == (2, 1, 51, 67)
    for part in (painting.flat, painting.line):
        assert torch.isfinite(part).all() and part.min() >= 0 and part.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_painting_twice_gives_the_same(name: str) -> None:
    image = _scene()
    first, again = paint(image, LOOKS[name]), paint(image, LOOKS[name])
    assert torch.equal(first.flat, again.flat) and torch.equal(first.line, again.line)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_painted_like_its_pictures_alone(name: str) -> None:
    images = torch.cat([_scene(seed=1), _scene(seed=2)])
    together = paint(images, LOOKS[name])
    for number in range(2):
        alone = paint(images[number : number + 1], LOOKS[name])
        assert (together.flat[number] - alone.flat[0]).abs().max() < 1e-4
        assert (together.line[number] - alone.line[0]).abs().max() < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_nothing_far_away_is_looked_at(name: str) -> None:
    image = _scene(2 * RADIUS + 64)
    other = image.clone()
    other[..., : RADIUS // 2, :] = 1 - other[..., : RADIUS // 2, :]
    before, after = paint(image, LOOKS[name]), paint(other, LOOKS[name])
    first = RADIUS // 2 + RADIUS
    assert (before.flat - after.flat)[..., first:, :].abs().max() < 1e-3
    assert (before.line - after.line)[..., first:, :].abs().max() < 1e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.05, 0.4, 0.9])
def test_an_even_grey_stays_even_and_gets_no_line(name: str, level: float) -> None:
    painting = paint(torch.full((1, 3, 64, 64), level), LOOKS[name])
    assert painting.line.max() < 0.01
    assert painting.flat.std((2, 3)).max() < 1e-3
    assert (painting.flat.mean() - level).abs() < 0.2


@pytest.mark.parametrize("name", ["aozora", "cel"])
def test_a_step_gets_one_line_on_its_dark_side(name: str) -> None:
    line = paint(_step(), LOOKS[name]).line[0, 0, 48]
    assert line.max() > 0.6
    assert 48 <= int(line.argmax()) <= 51
    assert line[:46].max() < 0.05 and line[56:].max() < 0.05


def test_an_out_of_focus_step_gets_no_line() -> None:
    ramp = (torch.arange(96.0) - 48).div(9).sigmoid().mul(-0.5).add(0.75)
    line = paint(ramp.expand(1, 3, 96, 96).contiguous(), LOOKS["cel"]).line
    assert line.max() < 0.1


def test_noise_gets_no_lines() -> None:
    noise = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(3)) * 0.03
    assert paint((0.5 + noise).clamp(0, 1), LOOKS["cel"]).line.mean() < 0.005


def test_ripples_get_hardly_any_lines() -> None:
    waves = 0.5 + 0.12 * torch.sin(torch.arange(96.0) * 2 * torch.pi / 6)
    line = paint(waves[:, None].expand(1, 3, 96, 96).contiguous(), LOOKS["cel"]).line
    assert line.mean() < 0.03


@pytest.mark.parametrize("name", NAMES)
def test_edges_come_out_as_crisp_as_they_were_and_without_halos(name: str) -> None:
    flat = paint(_step(), LOOKS[name]).flat[0].mean(0)[48]
    across = flat[8:88]
    assert (across[:-1] - across[1:]).max() > 0.6 * (across[0] - across[-1])
    assert across.max() < across[0] + 0.06 and across.min() > across[-1] - 0.06


@pytest.mark.parametrize("name", NAMES)
def test_letters_of_twelve_pixels_keep_most_of_their_contrast(name: str) -> None:
    canvas = np.full((96, 240, 3), 225, np.uint8)
    for row in (30, 60, 90):
        cv2.putText(canvas, "Harbour Street 27", (8, row), 0, 0.5, (30, 30, 40), 1, cv2.LINE_AA)
    image = torch.from_numpy(canvas).permute(2, 0, 1)[None].float() / 255
    before, after = image.mean(1).flatten(), paint_composed(image, LOOKS[name]).mean(1).flatten()
    assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.85
    assert after.std() > 0.7 * before.std()


@pytest.mark.parametrize("name", NAMES)
def test_less_strength_changes_less(name: str) -> None:
    image = _scene()
    changes = [float((paint(image, LOOKS[name], s).flat - image).abs().mean()) for s in (0.25, 0.5, 0.75, 1)]
    assert changes == sorted(changes) and changes[0] < 0.75 * changes[-1]


@pytest.mark.parametrize("name", NAMES)
def test_twice_the_size_painted_with_twice_the_brush_looks_the_same(name: str) -> None:
    small = _scene(96)
    large = F.interpolate(small, scale_factor=2, mode="bicubic", align_corners=False).clamp(0, 1)
    one = paint_composed(small, LOOKS[name])
    two = F.avg_pool2d(paint_composed(large, LOOKS[name], short_side=2 * SHORT_SIDE), 2)
    assert (one - two).abs().mean() < 6 / 255


def test_a_blue_sky_gets_bluer_and_smooth() -> None:
    rows = torch.linspace(0, 1, 96)[:, None].expand(96, 96)
    sky = torch.stack([0.35 + 0.25 * rows, 0.55 + 0.2 * rows, 0.8 + 0.1 * rows])[None]
    noisy = (sky + 0.01 * torch.randn(sky.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    painting = paint(noisy, LOOKS["aozora"])
    blue = painting.flat[0, 2] - painting.flat[0, 0]
    assert blue.mean() > 1.1 * (sky[0, 2] - sky[0, 0]).mean()
    assert painting.flat.diff(dim=-1).abs().mean() < 0.002 and painting.line.max() < 0.05


def test_an_unknown_look_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="aozora, cel, gouache"):
        look_named("sepia")
