"""A bounded thread between whoever makes items and whoever takes them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Run `source` in a thread that stays at most `depth` items ahead of the consumer.

    An error in `source` is raised to the consumer after the items that came before it. `source` is
    closed in the thread that ran it, so that what it opened is released there. Decoding waits for
    the condition rather than polling, and `close` wakes it: leaving early costs no more than the
    item being made.
    """

    def __init__(self, source: Generator[T, None, None], depth: int, name: str = "read-ahead") -> None:
        """`name`: of the thread, after "scenivid-"."""
        self._source = source
        self._depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._done = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"scenivid-{name}", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._done or self._closed)
            if self._items and not self._closed:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            error, self._error = (None if self._closed else self._error), None
        if error is not None:
            raise error
        raise StopIteration

    def stop(self) -> None:
        """Tell the thread to end, without waiting for it: whoever takes items gets no more."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop and join the thread; safe to call twice."""
        self.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._source:
                if not self._hand_over(item):
                    break
        except BaseException as exc:  # crosses to the consumer's thread, whatever it is
            self._error = exc
        finally:
            try:
                self._source.close()
            finally:
                with self._changed:
                    self._done = True
                    self._changed.notify_all()

    def _hand_over(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._depth or self._closed)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True
