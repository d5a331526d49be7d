"""Painted pairs: a function of the seed, kept in chunks, resumable; batches follow from seed and step."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_photos import make_photos

from scenivid.errors import ConfigError, DataError
from scenivid.pixels import to_float
from scenivid.training.data.samples import Stream
from scenivid.training.painter.batches import Crops, Degrade, Levels, degraded
from scenivid.training.painter.pairs import CHUNK, Pairs, PairStore, paint_all
from scenivid.training.painter.views import BORDER, PairSettings, view

SMALL = PairSettings(views=2, size=64, short_side=(64.0, 90.0))
CLEAN = Degrade(blur=0.0, jpeg=0.0, noise=0.0, grain=0.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", 5)


def test_pairs_are_painted_once_and_read_back(photos: Path, tmp_path: Path) -> None:
    store = PairStore(photos, "aozora", SMALL, 3, tmp_path / "cache")
    assert len(store.pairs()) == 0 and store.count == 2
    store.paint(0)
    assert len(store.pairs()) == CHUNK
    paint_all([store])
    first = store.pairs()
    assert len(first) == 10 and first.size == 64
    assert first[9].shape == (7, 64, 64) and first[9].dtype is torch.uint8
    files = sorted((tmp_path / "cache").rglob("*.npy"))
    times = [path.stat().st_mtime_ns for path in files]
    again = PairStore(photos, "aozora", SMALL, 3, tmp_path / "cache")
    paint_all([again])
    assert [path.stat().st_mtime_ns for path in files] == times
    assert all(torch.equal(first[i], again.pairs()[i]) for i in range(10))
    with pytest.raises(IndexError):
        first[10]


def test_a_gap_ends_what_is_there(photos: Path, tmp_path: Path) -> None:
    store = PairStore(photos, "cel", SMALL, 3, tmp_path)
    store.paint(1)
    assert len(store.pairs()) == 0
    store.paint(0)
    assert len(store.pairs()) == 10


def test_another_look_or_seed_gets_its_own_folder_and_the_same_views(photos: Path, tmp_path: Path) -> None:
    settings = PairSettings(views=1, size=64, short_side=(64.0, 90.0))
    stores = [PairStore(photos, look, settings, 3, tmp_path) for look in ("aozora", "cel")]
    paint_all(stores)
    one, other = (store.pairs() for store in stores)
    assert torch.equal(one[0][:3], other[0][:3]) and not torch.equal(one[0][3:], other[0][3:])
    assert PairStore(photos, "aozora", settings, 4, tmp_path).folder != stores[0].folder


def test_lower_strengths_are_painted_for_some_of_the_same_views(photos: Path, tmp_path: Path) -> None:
    full = PairStore(photos, "aozora", SMALL, 3, tmp_path)
    half = PairStore(photos, "aozora", SMALL, 3, tmp_path, strength=0.5, every=4)
    paint_all([full, half])
    assert len(half.pairs()) == 3
    far, near = full.pairs()[4].float(), half.pairs()[1].float()
    assert torch.equal(far[:3], near[:3])
    assert (near[3:6] - near[:3]).abs().mean() < (far[3:6] - far[:3]).abs().mean()


def test_rare_photographs_get_more_views(photos: Path, tmp_path: Path) -> None:
    settings = PairSettings(views=1, size=64, short_side=(64.0, 90.0), rare=("3",), rare_views=4)
    store = PairStore(photos, "aozora", settings, 3, tmp_path)
    assert len(store.jobs) == 4 + 4


def test_an_empty_folder_or_an_unknown_style_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError):
        PairStore(tmp_path / "none", "aozora", SMALL, 0, tmp_path)
    with pytest.raises(ConfigError):
        PairStore(photos, "fresco", SMALL, 0, tmp_path)
    with pytest.raises(ConfigError):
        PairSettings(size=8)


def test_a_view_follows_from_its_key() -> None:
    photo = np.random.default_rng(1).integers(0, 255, (100, 140, 3), dtype=np.uint8)
    one = view(photo, SMALL, 5, 7, 0)
    assert one.shape == (3, 64 + 2 * BORDER, 64 + 2 * BORDER)
    assert torch.equal(one, view(photo, SMALL, 5, 7, 0))
    assert not torch.equal(one, view(photo, SMALL, 5, 7, 1))


def test_lettering_grey_and_dim_views_happen() -> None:
    photo = np.full((200, 200, 3), (90, 130, 170), dtype=np.uint8)
    lettered = PairSettings(size=96, lettering=1.0, gamma=0.0)
    assert view(photo, lettered, 0, 0, 0).float().std(dim=(1, 2)).max() > 5
    grey = view(photo, PairSettings(size=96, lettering=0.0, grey=1.0, gamma=0.0), 0, 0, 1)
    assert (grey[0].int() - grey[2].int()).abs().max() <= 30  # warmth may tint it, within its small range
    dim = view(photo, PairSettings(size=96, lettering=0.0, dim=1.0, gamma=0.0), 0, 0, 1)
    assert dim.float().mean() < 70


def _pairs() -> Pairs:
    source = torch.randint(0, 255, (6, 3, 96, 96), dtype=torch.uint8)
    line = source[:, :1]
    return Pairs(
        (torch.cat([source, 255 - source, line], 1)[:4], torch.cat([source, 255 - source, line], 1)[4:])
    )


def test_a_crop_follows_from_seed_and_number_and_stays_aligned() -> None:
    levels = Levels({1.0: _pairs()}, 2)
    crops, other = (Crops(levels, CLEAN, 64, 4, seed) for seed in (1, 2))
    crop = crops[9]
    assert crop["source"].shape == (3, 64, 64) and crop["target"].shape == (4, 64, 64)
    assert torch.allclose(crop["source"] + to_float(crop["target"][:3]), torch.ones(1), atol=1e-6)
    assert torch.equal(crop["source"][:1], to_float(crop["target"][3:]))
    assert torch.equal(crop["source"], crops[9]["source"])
    assert not torch.equal(crop["source"], crops[10]["source"])
    assert not torch.equal(crop["source"], other[9]["source"])


@pytest.mark.parametrize(
    "degrade",
    [
        Degrade(blur=1.0, jpeg=0.0, noise=0.0, grain=0.0),
        Degrade(blur=0.0, jpeg=1.0, noise=0.0, grain=0.0),
        Degrade(blur=0.0, jpeg=0.0, noise=4.0, grain=1.0),
    ],
    ids=["blur", "jpeg", "grain"],
)
def test_each_fault_of_a_camera_changes_the_picture_a_little(degrade: Degrade) -> None:
    rough = torch.randint(0, 255, (3, 8, 8), dtype=torch.uint8)
    pixels = rough.repeat_interleave(8, 1).repeat_interleave(8, 2)
    random = torch.Generator().manual_seed(0)
    clean = degraded(pixels, CLEAN, random)
    assert torch.equal(clean, pixels.float() / 255)
    changes = [(degraded(pixels, degrade, random) - clean).abs().mean() for _ in range(8)]
    assert min(changes) > 0.0005 and max(changes) < 0.12


def test_workers_draw_the_same_crops() -> None:
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((720, 1280, 3), np.uint8), (0, 0), 2.0)  # OpenCV has threads now
    crops = Crops(Levels({1.0: _pairs()}, 2), Degrade(blur=1.0, jpeg=1.0), 64, 4, seed=1)
    alone = Stream({"crop": crops}, batch=4).batch(3)["crop"]
    with Stream({"crop": crops}, batch=4, workers=1) as stream:
        helped = stream.batch(3)["crop"]
    assert all(torch.equal(alone[side], helped[side]) for side in ("source", "target"))
