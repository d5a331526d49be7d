"""Frames in pieces: what the pieces are."""

from __future__ import annotations

import numpy as np
import pytest

from scenivid.errors import ConfigError
from scenivid.styles.tiling import windows


@pytest.mark.parametrize("size", [(64, 1024), (560, 816), (576, 992), (1120, 1952), (16, 32)])
@pytest.mark.parametrize("tile", [64, 100, 500])
@pytest.mark.parametrize("least", [0, 816])
def test_tiles_cover_the_frame_once_and_windows_of_one_shape_hold_their_margins(
    size: tuple[int, int], tile: int, least: int
) -> None:
    (height, width), margin, count = size, 176, np.zeros(size, int)
    pairs = list(windows(height, width, tile, margin, 16, least))
    for box, wide in pairs:
        box.of(count)[:] += 1
        seen = box.grown(margin, height, width)
        assert wide.top <= seen.top and seen.bottom <= wide.bottom
        assert wide.left <= seen.left and seen.right <= wide.right
        assert wide.shape == pairs[0][1].shape
        assert wide.shape[0] % 16 == 0 and wide.shape[1] % 16 == 0
    assert (count == 1).all()
    high, wide_side = pairs[0][1].shape
    assert high <= tile + 16 + 2 * margin and min(least, width) <= wide_side
    assert wide_side <= max(tile + 16 + 2 * margin, least)


def test_tiny_tiles_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 64"):
        list(windows(128, 128, 32, 16, 16, 0))
