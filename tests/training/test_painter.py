"""The painter: flat regions, crisp edges, no halo, no cast; local, deterministic, batch-independent."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.training.painter.colour import oklab_to_rgb, rgb_to_oklab, to_gamut
from scenivid.training.painter.filters import guided, kuwahara, luma, sharpen, shock, structure
from scenivid.training.painter.painter import STYLES, paint, softened, style_named

NAMES = sorted(STYLES)


def _edge(low: float = 0.25, high: float = 0.75, noise: float = 0.0, size: int = 64) -> Tensor:
    """Dark left half, light right half, [1, 3, size, size]."""
    image = torch.full((1, 3, size, size), low)
    image[..., size // 2 :] = high
    return (image + noise * torch.randn(image.shape)).clamp(0, 1)


def test_an_unknown_style_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="aozora, gouache"):
        style_named("cubism")


@pytest.mark.parametrize("name", NAMES)
def test_paintings_have_the_photographs_shape_and_range(name: str) -> None:
    painted = paint(torch.rand(2, 3, 50, 67), STYLES[name])
    assert painted.shape == (2, 3, 50, 67)
    assert painted.isfinite().all()
    assert painted.min() >= 0
    assert painted.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_each_image_is_painted_on_its_own(name: str) -> None:
    images = torch.rand(3, 3, 56, 56)
    together = paint(images, STYLES[name])
    alone = torch.cat([paint(image[None], STYLES[name]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_painter_is_local(name: str) -> None:
    image = torch.rand(1, 3, 64, 320)
    other = image.clone()
    other[..., 200:] = torch.rand(1, 3, 64, 120)
    difference = (paint(image, STYLES[name]) - paint(other, STYLES[name])).abs()
    assert difference[..., :80].max() < 0.01
    assert difference[..., 220:].max() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_grey_stays_grey(name: str) -> None:
    ramp = torch.linspace(0, 1, 96).expand(1, 3, 64, 96)
    painted = paint(ramp, STYLES[name])
    assert (painted.amax(1) - painted.amin(1)).max() < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_light_keeps_its_order(name: str) -> None:
    levels = torch.stack([torch.full((3, 48, 48), value) for value in torch.linspace(0, 1, 11)])
    centre = luma(paint(levels, STYLES[name]))[:, 0, 24, 24]
    assert (centre.diff() > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_noise_is_painted_over_and_the_edge_stays(name: str) -> None:
    noisy = _edge(noise=4 / 255)
    painted = luma(paint(noisy, STYLES[name]))[0, 0]
    assert painted[10:-10, 8:24].std() < 0.5 * luma(noisy)[0, 0, 10:-10, 8:24].std()
    step = painted[32, 34] - painted[32, 29]
    assert step > 0.8 * (painted[32, 56] - painted[32, 8])


def test_an_edge_gets_no_halo() -> None:
    painted = luma(paint(_edge(size=128), STYLES["gouache"]))[0, 0, 64]
    dark, light = painted[8], painted[-8]
    assert painted.min() > dark - 0.06
    assert painted.max() < light + 0.03


def test_blue_becomes_more_saturated_in_aozora_and_calmer_in_gouache() -> None:
    sky = torch.tensor([0.45, 0.62, 0.80])[None, :, None, None].expand(1, 3, 64, 64)

    def chroma(image: Tensor) -> float:
        return float(rgb_to_oklab(image)[0, 1:, 32, 32].norm())

    source = chroma(sky)
    assert chroma(paint(sky, STYLES["aozora"])) > 1.3 * source
    assert chroma(paint(sky, STYLES["gouache"])) < 1.2 * source


def test_oklab_round_trip() -> None:
    rgb = torch.rand(1, 3, 16, 16)
    assert torch.allclose(oklab_to_rgb(rgb_to_oklab(rgb)), rgb, atol=2e-4)
    white = rgb_to_oklab(torch.ones(1, 3, 1, 1)).flatten()
    assert torch.allclose(white, torch.tensor([1.0, 0.0, 0.0]), atol=1e-3)


def test_colours_outside_the_gamut_come_back_along_their_hue() -> None:
    wild = torch.tensor([0.7, 0.0, 0.35])[None, :, None, None]
    rgb = to_gamut(wild)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    lab = rgb_to_oklab(rgb).flatten()
    assert abs(lab[1]) < 0.03
    assert lab[2] > 0.05


def test_kuwahara_leaves_flat_and_edge_alone() -> None:
    edge = _edge()
    assert torch.allclose(kuwahara(edge, 4.0), edge, atol=0.01)


def test_guided_filter_smooths_texture_and_keeps_the_edge() -> None:
    noisy = _edge(noise=0.02)
    smooth = guided(noisy, luma(noisy), 2, 0.001)
    assert smooth[..., :24].std() < 0.6 * noisy[..., :24].std()
    assert (smooth[..., 36:40].mean() - smooth[..., 24:28].mean()) > 0.45


def test_the_tangent_runs_along_the_edge() -> None:
    tangent, anisotropy = structure(_edge(), 2.0)
    assert tangent[0, 1, 32, 32].abs() > 0.99
    assert anisotropy[0, 0, 32, 32] > 0.9
    assert anisotropy[0, 0, 32, 8] < 0.1


def test_shock_steepens_and_never_leaves_the_range() -> None:
    soft = torch.sigmoid((torch.arange(64.0) - 31.5) / 3).expand(1, 3, 64, 64)
    hard = shock(soft, 1.5, 0.004, torch.ones(1, 1, 64, 64))
    assert hard[0, 0, 32].diff().max() > 1.5 * soft[0, 0, 32].diff().max()
    assert hard.min() >= soft.min()
    assert hard.max() <= soft.max()


def test_sharpening_never_overshoots() -> None:
    image = torch.rand(1, 3, 32, 32)
    sharp = sharpen(image, 1.5, 3.0)
    assert sharp.min() >= image.min()
    assert sharp.max() <= image.max()


@pytest.mark.parametrize("name", NAMES)
def test_a_restrained_painter_changes_less(name: str) -> None:
    image = torch.rand(1, 3, 16, 16).repeat_interleave(6, 2).repeat_interleave(6, 3)
    changes = [(paint(image, softened(STYLES[name], s)) - image).abs().mean() for s in (0.25, 0.5, 0.75, 1)]
    assert changes == sorted(changes)
    assert softened(STYLES[name], 1.0) is STYLES[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_painter_without_strength_leaves_colours_alone(name: str) -> None:
    for colour in ((0.2, 0.5, 0.8), (0.7, 0.4, 0.3), (0.3, 0.6, 0.2)):
        flat = torch.tensor(colour)[None, :, None, None].expand(1, 3, 64, 64)
        assert (paint(flat, softened(STYLES[name], 0.0)) - flat).abs().max() < 0.01
