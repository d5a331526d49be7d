"""A folder of small photographs, for tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def make_photos(folder: Path, count: int) -> Path:
    """Soft patches of colour, 128 × 96 pixels each: 0.png, 1.png, … in `folder`, which is made."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = random.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((128, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder
