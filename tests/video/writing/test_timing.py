"""Decoding times and lengths of pieces put together are those of one encoder."""

from __future__ import annotations

import numpy as np
import pytest

from scenivid.video.writing.picture.timing import Timing, timing


def made(*groups: list[int], last: int = 1, exact_end: bool = False) -> Timing:
    return timing([np.array(group, np.int64) for group in groups], last, exact_end)


def test_without_reordering_a_packet_is_decoded_when_it_is_shown() -> None:
    found = made([0, 3, 4, 9], [12, 13], last=5)
    assert found.dts.tolist() == [0, 3, 4, 9, 12, 13]
    assert found.durations.tolist() == [3, 1, 5, 3, 1, 5]


def test_reordered_packets_are_decoded_in_time_and_in_order() -> None:
    found = made([0, 4, 2, 1, 3], [5, 9, 7, 6, 8])
    assert found.dts.tolist() == [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7]
    assert found.durations.tolist() == [1] * 10


def test_variable_rates_keep_decoding_times_growing_and_never_late() -> None:
    random = np.random.default_rng(0)
    shown = np.cumsum(random.integers(1, 40, 60))
    groups = []
    for begin in range(0, 60, 20):
        part = shown[begin : begin + 20].copy()
        part[1:5] = part[[4, 2, 1, 3]]
        groups.append(part)
    found = timing(groups, 7, False)
    order = np.concatenate(groups)
    assert (np.diff(found.dts) > 0).all() and (found.dts <= order).all()
    assert found.durations[np.argsort(order)].tolist() == [*np.diff(shown), 7]


def test_where_lengths_add_up_in_the_order_of_decoding_the_sum_is_right() -> None:
    found = made([0, 40, 20, 10, 30], last=10, exact_end=True)
    assert found.durations[-1] == 50 + found.dts[0] - found.dts[-1]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_frames_are_enough(count: int) -> None:
    found = made(list(range(count)), last=2)
    assert len(found.dts) == count and found.durations[-1] == 2
