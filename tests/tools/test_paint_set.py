"""The script that makes two unpaired folders of photographs and paintings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import load_script


def test_every_second_photograph_is_painted_and_in_one_folder_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((161, 121)).save(tmp_path / "in" / f"{number}.png")
    out = tmp_path / "out"
    words = ["paint_set.py", str(tmp_path / "in"), "--look", "cel", "--side", "80", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    load_script("train/paint_set.py").main()
    assert sorted(path.name for path in (out / "photos").iterdir()) == ["1.png"]
    assert sorted(path.name for path in (out / "paintings").iterdir()) == ["0.png", "2.png"]
    with Image.open(out / "paintings" / "0.png") as painting:
        assert painting.size == (106, 80)
