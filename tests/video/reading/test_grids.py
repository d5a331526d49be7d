"""Photographs of phones: the tiles become one picture, upright, or the file is refused with a reason."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from heic_grids import Picture, heic_grid, mirrored, turned

from scenivid.cli import main
from scenivid.errors import InputError
from scenivid.video.headers.heif import read_grid
from scenivid.video.open import open_video, probe
from scenivid.video.reading.settings import ReadSettings


@pytest.fixture(scope="module")
def picture() -> Picture:
    y, x = np.mgrid[:100, :170]
    return np.dstack((x * 255 // 170, y * 255 // 100, (x + y) // 2)).astype(np.uint8)


def read(path: Path) -> Picture:
    with open_video(path) as reader:
        (clip,) = reader.clips(4)
        assert reader.notes == () and len(clip) == 1
        assert clip.pixels.shape[2:] == (reader.info.height, reader.info.width)
    return clip.pixels[0].permute(1, 2, 0).numpy()


def assert_near(made: Picture, expected: Picture) -> None:
    """As near as 4:2:0 of a smooth picture is."""
    assert made.shape == expected.shape
    assert np.abs(made.astype(int) - expected).mean() < 2
    assert np.abs(made.astype(int) - expected).max() < 12


def test_tiles_become_one_picture(tmp_path: Path, picture: Picture) -> None:
    path = heic_grid(tmp_path / "a.heic", picture)
    assert_near(read(path), picture)
    info = probe(path)
    assert (info.width, info.height, info.frames) == (170, 100, 1)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_photograph_is_upright(tmp_path: Path, picture: Picture, quarters: int) -> None:
    path = heic_grid(tmp_path / "a.heic", picture, turned(quarters))
    assert_near(read(path), np.rot90(picture, quarters))
    assert probe(path).width == (100 if quarters % 2 else 170)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_photograph_is_mirrored(tmp_path: Path, picture: Picture, axis: int) -> None:
    path = heic_grid(tmp_path / "a.heic", picture, turned(1), mirrored(axis))
    assert_near(read(path), np.flip(np.rot90(picture), axis))


def test_it_can_be_stylized(tmp_path: Path, picture: Picture) -> None:
    path, output = heic_grid(tmp_path / "a.heic", picture), tmp_path / "out.png"
    with pytest.raises(SystemExit) as stopped:
        main(["stylize", str(path), str(output), "--style", "none", "--quiet"])
    assert stopped.value.code == 0
    assert_near(read(output), picture)


def test_a_large_or_damaged_grid_is_refused(tmp_path: Path, picture: Picture) -> None:
    path = heic_grid(tmp_path / "a.heic", picture)
    data = path.read_bytes()
    with pytest.raises(InputError, match="million allowed"):
        open_video(path, how=ReadSettings(max_pixels=10_000))
    path.write_bytes(data.replace(b"dimg\0\1\0\6", b"dimg\0\1\0\5"))
    with pytest.raises(InputError, match="grid of tiles"):
        probe(path)
    path.write_bytes(data[:-9000])
    with pytest.raises(InputError), open_video(path) as reader:
        list(reader.clips(1))


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_to_the_layout_is_more_than_a_refusal(tmp_path: Path, picture: Picture, seed: int) -> None:
    path = heic_grid(tmp_path / "a.heic", picture[:64, :100])
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    for at in random.integers(0, data.index(b"mdat"), 6):
        data[at] = random.integers(256)
    path.write_bytes(data)
    grid = read_grid(path)
    assert grid is None or len(grid.tiles) == grid.rows * grid.columns
    with contextlib.suppress(InputError):
        read(path)
