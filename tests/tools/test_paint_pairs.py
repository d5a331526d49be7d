"""The script that paints a recipe's pairs: all of them, where the run looks for them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import ROOT, load_script

from scenivid.training.lite.recipe import Recipe
from scenivid.training.programs.lite import open_stores
from scenivid.training.recipe import load_recipe


def test_everything_is_painted_where_the_run_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    (tmp_path / "photos").mkdir()
    for number in range(2):
        picture = Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC)
        picture.rotate(90 * number).save(tmp_path / "photos" / f"{number}.png")
    settings = [
        f"photos={tmp_path / 'photos'}",
        "pairs.size=64",
        "pairs.views=1",
        "pairs.short_side=[80,100]",
        "crop=64",
    ]
    recipe = ROOT / "train/recipes/cel.toml"
    words = ["paint_pairs.py", "--recipe", str(recipe), "--out", str(tmp_path / "run")]
    for setting in settings:
        words += ["--set", setting]
    monkeypatch.setattr(sys, "argv", words)
    load_script("train/paint_pairs.py").main()
    stores = open_stores(load_recipe(Recipe, recipe, settings), tmp_path / "run")
    assert [len(store.pairs()) for store in stores] == [2, 1, 1]
