"""The painter's contact sheets: a row a photograph, a cell a look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scripts import load_script


def _photo(path: Path, width: int, height: int) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_sheet_has_a_row_a_photograph_and_a_cell_a_look(tmp_path: Path) -> None:
    _photo(tmp_path / "a.png", 96, 64)
    _photo(tmp_path / "b.png", 64, 64)
    out = tmp_path / "sheet" / "out.png"
    out.parent.mkdir()
    load_script("train/paint_sheet.py").main(
        [str(tmp_path), "--out", str(out), "--looks", "cel", "gouache", "--short-side", "64"]
    )
    with Image.open(out) as sheet:
        assert sheet.size == (3 * 96, 2 * 64)


def test_layers_and_a_crop_are_shown_at_their_own_size(tmp_path: Path) -> None:
    photo, out = _photo(tmp_path / "a.png", 96, 64), tmp_path / "out.png"
    load_script("train/paint_sheet.py").main(
        [str(photo), "--out", str(out), "--looks", "cel", "--short-side", "64", "--layers", "--crop", "48"]
    )
    with Image.open(out) as sheet:
        assert sheet.size == (4 * 48, 48)
