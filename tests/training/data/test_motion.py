"""Synthetic motion: the flow is exact, reproducible and of the promised size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenivid.training.data.motion import MotionPair, MotionRecipe, motion_pair


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Smooth colourful pictures: interpolation hardly changes them."""
    rng = np.random.default_rng(0)
    noise = [cv2.resize(rng.random((12, 16, 3)), (400, 300), interpolation=cv2.INTER_CUBIC) for _ in range(4)]
    return [(np.clip(picture, 0, 1) * 255).astype(np.uint8) for picture in noise]


def _unexplained(pair: MotionPair) -> np.ndarray:
    """How far first differs from second fetched along the flow, where the flow stays inside."""
    height, width = pair.flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    u, v = x + pair.flow[..., 0], y + pair.flow[..., 1]
    moved = cv2.remap(pair.second, u, v, cv2.INTER_LINEAR)
    inside = (u >= 1) & (v >= 1) & (u < width - 2) & (v < height - 2)
    return np.abs(moved - pair.first).mean(2)[inside]


@pytest.mark.parametrize("seed", range(8))
def test_the_flow_carries_the_second_frame_onto_the_first(images: list[np.ndarray], seed: int) -> None:
    recipe = MotionRecipe(height=64, width=96, layers=0, effects=False)
    errors = _unexplained(motion_pair(images, recipe, np.random.default_rng(seed)))
    assert errors.size == 0 or errors.mean() < 0.01


def test_layers_hide_only_a_part_of_the_frame(images: list[np.ndarray]) -> None:
    recipe = MotionRecipe(height=64, width=96, layers=5, effects=False)
    wrong = [
        (_unexplained(motion_pair(images, recipe, np.random.default_rng(seed))) > 0.05).mean()
        for seed in range(12)
    ]
    assert np.median(wrong) < 0.15


def test_the_same_seed_draws_the_same_scene(images: list[np.ndarray]) -> None:
    recipe = MotionRecipe(height=48, width=64)
    one, two = (motion_pair(images, recipe, np.random.default_rng((3, 14))) for _ in range(2))
    for name in ("first", "second", "flow"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_values_and_shapes_are_as_promised(images: list[np.ndarray]) -> None:
    recipe = MotionRecipe(height=48, width=64)
    for seed in range(10):
        pair = motion_pair(images, recipe, np.random.default_rng(seed))
        assert pair.first.shape == pair.second.shape == (48, 64, 3)
        assert pair.flow.shape == (48, 64, 2) and pair.flow.dtype == np.float32
        for frame in (pair.first, pair.second):
            assert frame.dtype == np.float32 and frame.min() >= 0 and frame.max() <= 1
