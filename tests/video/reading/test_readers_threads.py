"""The bounded thread between a decoder and its consumer."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from scenivid.machine.ahead import ReadAhead


class Source:
    """Counts, and notes who closed it."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.made = 0
        self.closed_in: str | None = None
        self._count = count
        self._fail_at = fail_at

    def items(self) -> Generator[int, None, None]:
        try:
            for index in range(self._count):
                if index == self._fail_at:
                    raise RuntimeError("broken")
                self.made += 1
                yield index
        finally:
            self.closed_in = threading.current_thread().name


def test_hands_over_everything_in_order() -> None:
    source = Source(100)
    ahead = ReadAhead(source.items(), 3)
    assert list(ahead) == list(range(100))
    ahead.close()
    assert source.closed_in == "scenivid-read-ahead"


@pytest.mark.parametrize("depth", [1, 3])
def test_makes_no_more_than_depth_and_one_beyond_what_was_taken(depth: int) -> None:
    source = Source(100)
    ahead = ReadAhead(source.items(), depth)
    for taken in range(1, 20):
        next(ahead)
        assert source.made <= taken + depth + 1
    ahead.close()
    assert source.made <= 19 + depth + 1


def test_an_error_crosses_after_the_items_before_it() -> None:
    ahead = ReadAhead(Source(10, fail_at=4).items(), 8)
    assert [next(ahead) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="broken"):
        next(ahead)
    with pytest.raises(StopIteration):
        next(ahead)
    ahead.close()


def test_closing_stops_and_closes_the_source_in_its_own_thread() -> None:
    source = Source(10**9)
    before = threading.active_count()
    ahead = ReadAhead(source.items(), 2)
    next(ahead)
    ahead.close()
    ahead.close()
    assert threading.active_count() == before
    assert source.closed_in == "scenivid-read-ahead"
    assert list(ahead) == []


def test_closing_wakes_a_consumer_in_another_thread() -> None:
    blocked = threading.Event()

    def never() -> Generator[int, None, None]:
        blocked.wait(20)
        yield 1

    ahead = ReadAhead(never(), 1)
    got: list[int] = []
    consumer = threading.Thread(target=lambda: got.extend(ahead))
    consumer.start()
    closer = threading.Thread(target=ahead.close)
    closer.start()
    consumer.join(5)
    assert not consumer.is_alive()
    blocked.set()
    closer.join(5)
    assert got == []
