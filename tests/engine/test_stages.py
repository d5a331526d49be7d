"""Threads between stages: order, bounds, errors, and nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from scenivid.engine.stages import Stopwatch, running


class _Step:
    """Adds one; may fail, wait, or work on several parts at once."""

    def __init__(self, work: Callable[[int], int] = lambda part: part + 1, workers: int = 1) -> None:
        self.name, self.workers, self._work = "translate", workers, work

    def __call__(self, part: int) -> int:
        return self._work(part)

    def state(self) -> object:
        return None

    def restore(self, state: object) -> None:
        """Nothing is remembered."""


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_keep_their_order(serial: bool, workers: int) -> None:
    stages = [_Step(workers=workers), _Step(), _Step(workers=workers)]
    with running(range(50), stages, Stopwatch(), serial=serial) as results:
        assert list(results) == list(range(3, 53))


def test_a_fast_source_waits_for_a_slow_consumer() -> None:
    taken = 0

    def source() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    with running(source(), [_Step(), _Step(workers=2)], Stopwatch()) as results:
        next(results)
        threading.Event().wait(0.05)
        assert taken < 20


def test_no_more_parts_are_worked_on_at_once_than_asked_for() -> None:
    begun: list[int] = []
    most = 0

    def work(part: int) -> int:
        nonlocal most
        begun.append(part)
        most = max(most, len(begun))
        threading.Event().wait(0.002)
        begun.pop()
        return part

    stages = [_Step(work), _Step(work, workers=3), _Step(work)]
    with running(range(30), stages, Stopwatch(), at_once=2) as results:
        assert list(results) == list(range(30))
    assert most == 2


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_after_the_results_before_it_and_joins_all(serial: bool, workers: int) -> None:
    def fail(part: int) -> int:
        if part == 5:
            raise ValueError("five")
        return part

    before = threading.active_count()
    got = []
    with (
        pytest.raises(ValueError, match="five"),
        running(range(50), [_Step(), _Step(fail, workers), _Step()], Stopwatch(), serial=serial) as results,
    ):
        for part in results:
            got.append(part)
    assert got == [2, 3, 4, 5][: len(got)] and len(got) >= 3
    assert threading.active_count() == before


def test_leaving_early_stops_everything_and_closes_the_source() -> None:
    closed = False

    def source() -> Iterator[int]:
        nonlocal closed
        try:
            yield from range(10**9)
        finally:
            closed = True

    before = threading.active_count()
    with running(source(), [_Step(), _Step(workers=2), _Step()], Stopwatch()) as results:
        next(results)
    assert closed and threading.active_count() == before
