"""Finishing: sizes, edges from the source, no halos, one formula on every device."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scenes import texture
from torch import Tensor

from scenivid import colour
from scenivid.flow.filters import enlarge, luma
from scenivid.ink import compose
from scenivid.styles import finish as room
from scenivid.styles import finish_planes as planes
from scenivid.styles.finish import at_painting_size, finish
from scenivid.styles.finish_planes import Bands, GuideStats, finish_plane, painting_size


@pytest.mark.parametrize(
    ("size", "short", "wanted"),
    [
        ((1080, 1920), 540, (540, 960)),
        ((1920, 1080), 540, (960, 540)),
        ((2160, 3840), None, (2160, 3840)),
        ((720, 1280), 540, (540, 960)),
        ((480, 853), 540, (480, 853)),
        ((576, 720), 540, (576, 720)),
        ((601, 1601), 100, (100, 266)),
    ],
)
def test_only_larger_frames_are_painted_small(
    size: tuple[int, int], short: int | None, wanted: tuple[int, int]
) -> None:
    assert painting_size(*size, short) == wanted


def _scene(height: int, width: int) -> Tensor:
    """Texture with sharp edges: a tilted bar and a disc."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    picture = 0.3 + 0.4 * texture(height, width, grain=height // 8)
    bar = ((x - 0.3 - 0.2 * y).abs() < 0.02).float()
    disc = (((x - 0.7) ** 2 + (y - 0.5) ** 2) < 0.03).float()
    return (picture * (1 - bar) + 0.05 * bar) * (1 - disc) + 0.9 * disc


def _painted(image: Tensor) -> Tensor:
    """A painter that changes contrast and colour, pixel by pixel."""
    return (image.pow(0.8) * image.new_tensor([1.05, 0.9, 0.7])[:, None, None] + 0.04).clamp(0, 1)


def _small(image: Tensor, factor: int) -> Tensor:
    return F.interpolate(image, scale_factor=1 / factor, mode="area")


def test_edges_are_as_crisp_as_painted_at_full_size() -> None:
    full = _scene(256, 384)
    small = _small(full, 2)
    wanted = _painted(full)
    result = finish(_painted(small), luma(small), luma(full))

    def steepness(image: Tensor) -> Tensor:
        grey = luma(image)
        return (grey[..., 1:] - grey[..., :-1]).abs().flatten().sort(descending=True).values

    strongest = wanted[0, 0].numel() // 20
    assert steepness(result)[:strongest].mean() >= 0.9 * steepness(wanted)[:strongest].mean()
    assert (result - wanted).abs().mean() < 2 / 255


def test_no_halo_beside_an_edge() -> None:
    full = torch.full((1, 3, 128, 128), 0.2)
    full[..., 61:] = 0.8
    small = _small(full, 2)
    result = finish(1 - small, luma(small), luma(full))
    assert result.min() > 0.2 - 0.02 and result.max() < 0.8 + 0.02  # of a step of 0.6


def test_flat_paint_stays_flat_over_a_noisy_source() -> None:
    full = (0.5 + 0.02 * torch.randn(1, 3, 128, 128)).clamp(0, 1)
    small = _small(full, 2)
    result = finish(torch.full_like(small, 0.6), luma(small), luma(full))
    assert (result - 0.6).abs().max() < 1e-3


def test_shrunk_again_it_is_the_painting() -> None:
    full = _scene(240, 360)
    for factor, most in ((2, 1.0), (3, 1.0), (4, 2.0)):
        small = _small(full, factor)
        painted = _painted(small)
        back = _small(finish(painted, luma(small), luma(full)), factor)
        assert (back - painted).abs().mean() < most / 255


def test_the_fast_way_is_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    full = _scene(90, 162)
    small = at_painting_size((full * 255).to(torch.uint8), (45, 81))
    painted = _painted(small)
    gain, base = room._fit(painted, luma(small))
    size = (90, 162)
    large = room.enlarge(gain, size) * luma(full) + room.enlarge(base, size)
    wanted = room._crispened(large, planes.reach(2)).clamp(0, 1)
    assert (finish(painted, luma(small), luma(full)) - wanted).abs().max() < 0.5 / 255


def test_bytes_of_limited_range_give_the_same_picture() -> None:
    full = luma(_scene(96, 128))[0, 0].numpy()
    guide = np.ascontiguousarray(full.reshape(48, 2, 64, 2).mean((1, 3)))
    painted = 1 - guide
    floats, limited = np.empty((96, 128), np.float32), np.empty((96, 128), np.uint8)
    finish_plane(painted, GuideStats(guide), full, floats)
    source = np.empty_like(limited)
    colour.to_bytes(full, colour.LUMA, source)
    finish_plane(painted, GuideStats(guide), source, limited, colour.LUMA, colour.LUMA)
    assert np.abs(colour.to_values(limited, colour.LUMA) - floats.clip(-0.05, 1.05)).max() < 3 / 219


def test_how_many_rows_are_fitted_at_once_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    full = luma(_scene(180, 256))[0, 0].numpy()
    guide = np.ascontiguousarray(full.reshape(90, 2, 128, 2).mean((1, 3)))
    gain, base = planes._fit_plane(1 - guide * guide, GuideStats(guide))
    monkeypatch.setattr(planes, "_BAND", 128 * 11)
    for whole, part in zip(
        (gain, base), planes._fit_plane(1 - guide * guide, GuideStats(guide)), strict=True
    ):
        assert np.abs(whole - part).max() < 1e-4


def test_a_line_keeps_its_darkness_and_gets_no_wider() -> None:
    line = torch.zeros(1, 1, 40, 60)
    line[..., 19:21, :] = 1.0
    flat, guide, full = torch.full((1, 3, 40, 60), 0.9), line * 0 + 0.9, torch.full((1, 1, 160, 240), 0.9)
    middle = finish(flat, guide, full, line, 1.0)[0, 0, :, 120]
    dark = compose(torch.full((1, 3, 1, 1), 0.9), torch.ones(1, 1, 1, 1), 1.0)[0, 0, 0, 0]
    drawn = (0.9 - middle) / (0.9 - dark)
    assert drawn.max() > 0.97 and drawn.min().abs() < 1e-3
    assert 7 <= int((drawn > 0.5).sum()) <= 9
    assert int(((drawn > 0.1) & (drawn < 0.9)).sum()) <= 6


def test_shrinking_is_the_mean_of_areas() -> None:
    pixels = torch.randint(0, 256, (2, 3, 8, 12), dtype=torch.uint8)
    wanted = F.avg_pool2d(pixels.float(), 2) / 255
    assert (at_painting_size(pixels, (4, 6)) - wanted).abs().max() < 0.6 / 255
    deep = pixels.to(torch.int32).mul(257).to(torch.uint16)
    assert (at_painting_size(deep, (4, 6)) - wanted).abs().max() < 0.01 / 255


@pytest.mark.parametrize("size", [(540, 960), (720, 1280), (1080, 1920), (541, 963)])
def test_bands_are_parts_of_the_whole_enlargement(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "_BAND", 12_000)
    small = np.random.default_rng(0).random((270, 480), np.float32)
    whole = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)
    bands = Bands(small.shape, size)
    rows = list(bands)
    assert rows[0].start == 0 and rows[-1].stop == size[0]
    assert all(one.stop == other.start for one, other in pairwise(rows))
    assert len(rows) > 5 or size == (541, 963)
    for part in rows:
        assert np.abs(bands.enlarged(small, part) - whole[part]).max() < 1e-5


@pytest.mark.parametrize("size", [(90, 160), (180, 320), (101, 181)])
def test_lines_of_planes_are_the_lines_of_tensors(size: tuple[int, int]) -> None:
    painted, line = texture(45, 80, grain=4), (texture(45, 80, grain=4)[:, :1] * 3 - 1.5).clamp(0, 1)
    guide, full = luma(painted), enlarge(luma(painted), size)
    gain, base = room._fit(painted, guide)
    large = compose(enlarge(gain, size) * full + enlarge(base, size), enlarge(line, size), 0.8)
    wanted = room._crispened(large, planes.reach(size[0] / 45)).clamp(0, 1)
    assert (finish(painted, guide, full, line, 0.8) - wanted).abs().max() < 1 / 255


@pytest.mark.parametrize("size", [(90, 160), (150, 250), (101, 181)])
def test_bands_begin_with_whole_rows_of_half_size_chroma(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "_BAND", 1000)
    for small in ((45, 80), (30, 50)):
        assert all(rows.start % 2 == 0 for rows in Bands(small, size))
