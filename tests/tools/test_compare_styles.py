"""The script that puts weights of one look beside each other: the rows of its sheet."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from scripts import load_script


@pytest.fixture
def script() -> ModuleType:
    return load_script("train/compare_styles.py")


def test_a_row_shows_photograph_and_results_whole_and_then_their_middles(script: ModuleType) -> None:
    photos = [(f"{name}-1.jpg", torch.full((1, 3, 240, 400), 0.2)) for name in ("street", "sea", "wood")]
    made = [[torch.full_like(photo, light) for _, photo in photos] for light in (0.5, 0.8)]
    rows = script.rows_of(photos, made, count=2)
    assert len(rows) == 2
    whole, middle = (3, script.TILE, script.TILE * 16 // 9), (3, script.TILE, script.TILE)
    assert [tile.shape for tile in rows[0]] == [whole] * 3 + [middle] * 3
    assert [round(float(tile.mean()), 2) for tile in rows[0]] == [0.2, 0.5, 0.8, 0.2, 0.5, 0.8]
