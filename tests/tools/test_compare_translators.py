"""The script that compares translators: the identity keeps everything, a broken one doesn't."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from scripts import load_script


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load_script("train/compare_translators.py")
    monkeypatch.setattr(module, "CROPS", 6)
    return module


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in ("photos", "paintings"):
        (tmp_path / name).mkdir()
        for i in range(3):
            pixels = random.integers(0, 255, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((96, 72), Image.Resampling.BICUBIC).save(
                tmp_path / name / f"{i}.png"
            )
    return tmp_path


def test_the_identity_keeps_the_content_and_noise_does_not(script: ModuleType, data: Path) -> None:
    eye = script.load_efficientnet(script.CPU)
    photos = script.crops(data / "photos", 64)
    assert photos.shape == (6, 3, 64, 64)
    assert torch.equal(photos, script.crops(data / "photos", 64))
    own = script.embed(photos, eye, 64)
    same, noise = (script.row(one, photos, own, own, eye) for one in (photos, torch.rand_like(photos)))
    assert same[0] == pytest.approx(0, abs=1e-3) and same[1:] == pytest.approx((1, 1), abs=1e-4)
    assert noise[0] > 100 and noise[1] < 0.95 and noise[2] < 0.5


def test_a_table_has_a_row_for_each_run(
    script: ModuleType, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = data / "table.md"
    arguments = ["--open", str(data), "--out", str(out), "shipped=aozora"]
    monkeypatch.setattr(sys, "argv", ["compare_translators.py", *arguments])
    script.main()
    rows = [line for line in out.read_text("utf-8").splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows] == ["translator", "photographs", "shipped"]
