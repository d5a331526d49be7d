"""What the tests of StyleGAN2's training share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six small pictures of two colours."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for i in range(6):
        pixels = np.zeros((40, 56, 3), np.uint8)
        pixels[:20], pixels[20:] = rng.integers(0, 255, 3), rng.integers(0, 255, 3)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder
