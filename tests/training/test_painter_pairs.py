"""Painted pairs: a function of the seed, cached, resumable; batches whose twins line up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenivid.errors import ConfigError, DataError
from scenivid.training.painter.pairs import (
    Degrade,
    Pairs,
    PairSettings,
    degraded,
    draw_batch,
    hue_chances,
    painted_pairs,
    view,
)

SMALL = PairSettings(views=2, size=64, short_side=(64.0, 90.0))
CLEAN = Degrade(jpeg=0.0, noise=0.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(5):
        pixels = random.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((128, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


def test_pairs_are_painted_once_and_read_back(photos: Path, tmp_path: Path) -> None:
    first = painted_pairs(photos, "aozora", SMALL, 3, tmp_path / "cache")
    assert len(first) == 10
    assert first.source.shape == first.target.shape == (10, 3, 64, 64)
    assert first.source.dtype == first.target.dtype == torch.uint8
    files = sorted((tmp_path / "cache").rglob("*.npy"))
    times = [path.stat().st_mtime_ns for path in files]
    files[-1].unlink()
    again = painted_pairs(photos, "aozora", SMALL, 3, tmp_path / "cache")
    assert [path.stat().st_mtime_ns for path in files[:-1]] == times[:-1]
    assert torch.equal(first.source, again.source)
    assert torch.equal(first.target, again.target)


def test_another_style_or_seed_gets_its_own_cache(photos: Path, tmp_path: Path) -> None:
    one = PairSettings(views=1, size=64, short_side=(64.0, 90.0))
    aozora = painted_pairs(photos, "aozora", one, 3, tmp_path)
    gouache = painted_pairs(photos, "gouache", one, 3, tmp_path)
    assert torch.equal(aozora.source, gouache.source)
    assert not torch.equal(aozora.target, gouache.target)
    assert len(list(tmp_path.glob("*ao*-*"))) == 1


def test_lower_strengths_are_painted_for_some_of_the_same_views(photos: Path, tmp_path: Path) -> None:
    full = painted_pairs(photos, "aozora", SMALL, 3, tmp_path)
    half = painted_pairs(photos, "aozora", SMALL, 3, tmp_path, strength=0.5, every=4)
    assert torch.equal(half.source, full.source[::4])
    far, near = (
        (target.float() - half.source.float()).abs().mean() for target in (full.target[::4], half.target)
    )
    assert near < far
    assert len(list(tmp_path.glob("aozora-*"))) == 2


def test_an_empty_folder_or_an_unknown_style_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError):
        painted_pairs(tmp_path / "none", "aozora", SMALL, 0, tmp_path)
    with pytest.raises(ConfigError):
        painted_pairs(photos, "fresco", SMALL, 0, tmp_path)
    with pytest.raises(ConfigError):
        PairSettings(size=8)


def test_a_view_follows_from_its_key() -> None:
    photo = np.random.default_rng(1).integers(0, 255, (100, 140, 3), dtype=np.uint8)
    one = view(photo, SMALL, 5, 7, 0)
    assert torch.equal(one, view(photo, SMALL, 5, 7, 0))
    assert not torch.equal(one, view(photo, SMALL, 5, 7, 1))


def test_lettering_and_grey_views_happen() -> None:
    photo = np.full((200, 200, 3), (90, 130, 170), dtype=np.uint8)
    lettered = PairSettings(size=96, lettering=1.0, gamma=0.0)
    assert view(photo, lettered, 0, 0, 0).float().std(dim=(1, 2)).max() > 5
    grey = view(photo, PairSettings(size=96, lettering=0.0, grey=1.0, gamma=0.0), 0, 0, 1)
    assert (grey[0].int() - grey[2].int()).abs().max() <= 30  # warmth may tint it, within its small range


def _pairs() -> Pairs:
    source = torch.randint(0, 255, (6, 3, 96, 96), dtype=torch.uint8)
    return Pairs(source, 255 - source)


def test_a_batch_follows_from_seed_and_step_and_stays_aligned() -> None:
    pairs = _pairs()
    batch = draw_batch(pairs, CLEAN, 64, 4, 2, 8, seed=1, step=9)
    assert batch.source.shape == batch.target.shape == (6, 3, 64, 64)
    assert torch.allclose(batch.source + batch.target, torch.ones(1), atol=1e-6)
    assert torch.equal(batch.source, draw_batch(pairs, CLEAN, 64, 4, 2, 8, seed=1, step=9).source)
    assert not torch.equal(batch.source, draw_batch(pairs, CLEAN, 64, 4, 2, 8, seed=1, step=10).source)


def test_a_rare_hue_is_drawn_more_often() -> None:
    source = torch.full((20, 3, 32, 32), 120, dtype=torch.uint8)
    target = source.clone()
    target[:, 2] = 220
    target[7] = torch.tensor([90, 200, 90], dtype=torch.uint8)[:, None, None]
    chances = hue_chances(Pairs(source, target))
    assert float(chances.sum()) == pytest.approx(1.0)
    assert chances.argmax() == 7
    assert chances.min() >= 0.5 / 20 - 1e-6
    batch = draw_batch(Pairs(source, target), CLEAN, 32, 64, 0, 0, seed=0, step=0, chances=torch.eye(20)[7])
    assert torch.equal(batch.target, batch.target[:1].expand_as(batch.target))
    assert float(batch.target[0, 1, 0, 0]) == pytest.approx(200 / 255)


def test_twins_show_the_same_place_moved() -> None:
    pairs = _pairs()
    moved = 0
    for step in range(12):
        batch = draw_batch(pairs, CLEAN, 64, 3, 3, 8, seed=2, step=step)
        for i, (dy, dx) in enumerate(batch.shifts):
            moved += (dy, dx) != (0, 0)
            ys, xs = slice(max(dy, 0), 64 + min(dy, 0)), slice(max(dx, 0), 64 + min(dx, 0))
            ys2, xs2 = slice(max(-dy, 0), 64 + min(-dy, 0)), slice(max(-dx, 0), 64 + min(-dx, 0))
            assert torch.equal(batch.source[i, :, ys, xs], batch.source[3 + i, :, ys2, xs2])
    assert moved > 20


def test_degrading_adds_noise_and_compression_but_keeps_the_picture() -> None:
    pixels = (
        torch.randint(60, 200, (3, 8, 8), dtype=torch.uint8).repeat_interleave(8, 1).repeat_interleave(8, 2)
    )
    random = torch.Generator().manual_seed(0)
    noisy = degraded(pixels, Degrade(jpeg=0.0, noise=4.0), random) * 255 - pixels
    assert 0.05 < noisy.std() < 4.1
    coded = degraded(pixels, Degrade(jpeg=1.0, quality=(50.0, 50.0), noise=0.0), random) * 255 - pixels
    assert 0.1 < coded.abs().mean() < 20
