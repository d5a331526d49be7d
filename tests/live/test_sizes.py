"""The size of a live stream: the largest that reaches the rate, found quickly and kept."""

from __future__ import annotations

import pytest

from scenivid.live.sizes import SIDES, Sizes


def settle(sizes: Sizes, pixels_a_second: float, frames: int = 600) -> list[int]:
    """The sides used, frame by frame, on a machine of this speed; 16:9."""
    used = []
    for _ in range(frames):
        used.append(sizes.side)
        sizes.see(sizes.side**2 * 16 / 9 / pixels_a_second)
    return used


@pytest.mark.parametrize("speed", [2e5, 1e6, 3e6, 1e7, 1e8])
def test_the_largest_side_that_reaches_the_rate_is_found_and_kept(speed: float) -> None:
    used = settle(Sizes(15, 1080), speed)
    fits = [side for side in SIDES if side**2 * 16 / 9 / speed <= 1 / 15]
    assert len(set(used[300:])) == 1, "it doesn't swing"
    assert used[-1] <= max(fits, default=SIDES[-1])
    assert used[-1] >= 0.6 * max(fits, default=SIDES[-1])


def test_a_quick_machine_is_known_after_a_few_frames() -> None:
    assert settle(Sizes(15, 1080), 1e8, frames=8)[-1] > 216


def test_a_machine_that_becomes_slow_gets_a_smaller_size() -> None:
    sizes = Sizes(15, 720)
    before = settle(sizes, 1e7)[-1]
    after = settle(sizes, 2e6)[-1]
    assert after < before and after**2 * 16 / 9 / 2e6 <= 1 / 15


def test_a_machine_that_was_busy_for_a_while_gets_its_size_back() -> None:
    sizes = Sizes(15, 720)
    before = settle(sizes, 1e7)[-1]
    assert settle(sizes, 1e6)[-1] < before
    assert settle(sizes, 1e7, frames=2000)[-1] == before


def test_the_source_is_never_enlarged_and_a_fixed_side_stays() -> None:
    assert max(settle(Sizes(15, 200), 1e9)) == 200
    assert set(settle(Sizes(15, 1080, fixed=480), 1e4)) == {480}
