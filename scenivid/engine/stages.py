"""Stages in a row, one thread each, with bounded queues between them; and the seconds that each takes.

A stage turns one part of the video (a frame, or some) into the next form of it, in order, and may remember
things from part to part. Run with threads or without, the results are the same.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Protocol

from scenivid.machine.ahead import ReadAhead

STAGES = ("decode", "translate", "flow", "steady", "finish", "encode")
DEPTH = 2
"""Parts that may wait between two stages: enough to overlap, small enough to bound memory."""


class Stage(Protocol):
    """One step on the way of every part."""

    @property
    def name(self) -> str:
        """One of `STAGES`, or another for a stage that few runs have."""

    @property
    def workers(self) -> int:
        """Parts that may be worked on at once; more than one only if nothing is remembered between them."""

    def __call__(self, part: Any, /) -> Any:
        """The next form of a part. Parts come in order if there is one worker."""

    def state(self) -> object:
        """What is remembered after the last part: never changed afterwards."""

    def restore(self, state: Any, /) -> None:
        """Go on from what `state` returned."""


class Stopwatch:
    """Adds up the seconds that each stage works, without those it waits for others."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock`: seconds that pass; `time.process_time` for work that runs alone."""
        self._clock = clock
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        began = self._clock()
        try:
            yield
        finally:
            self.add(name, self._clock() - began)

    def add(self, name: str, seconds: float) -> None:
        """Add to a stage."""
        with self._lock:
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def seconds(self) -> dict[str, float]:
        """Totals by stage."""
        with self._lock:
            return dict(self._seconds)


Wrap = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]
"""What a device wants done around each stage."""


@contextlib.contextmanager
def running(
    parts: Iterable[Any],
    stages: Sequence[Stage],
    watch: Stopwatch,
    *,
    serial: bool = False,
    depth: int = DEPTH,
    wrap: Wrap | None = None,
    at_once: int | None = None,
) -> Iterator[Iterator[Any]]:
    """Send `parts` through all stages; yields the results, in order.

    An error in any stage is raised where the results are taken, after those that came before it. Leaving
    the context stops and joins every thread, whatever each is doing, and closes `parts`.

    Args:
        parts: taken one at a time, from one thread.
        depth: parts that may wait between two stages.
        serial: no threads: each result is made when it is asked for.
        wrap: called once for each stage, before it runs.
        at_once: parts that are worked on at a time, by whichever stages; None for no limit. Threads that take
            turns on a core drive each other's planes out of its cache.
    """
    turns = contextlib.nullcontext() if serial or at_once is None else threading.Semaphore(at_once)
    ahead: list[ReadAhead[Any]] = []
    results: Iterator[Any] = iter(parts)
    try:
        for stage in stages:
            work = stage if wrap is None else wrap(stage)
            timed = _timed(work, stage.name, watch, turns)
            through = _through(results, timed, 1 if serial else stage.workers)
            if serial:
                results = through
                continue
            ahead.append(ReadAhead(through, depth, stage.name))
            results = ahead[-1]
        yield results
    finally:
        for thread in ahead:
            thread.stop()
        for thread in reversed(ahead):
            thread.close()
        if serial:
            _close(results)


def _timed(
    work: Callable[[Any], Any], name: str, watch: Stopwatch, turns: AbstractContextManager[Any]
) -> Callable[[Any], Any]:
    """A stage's work, timed, once it is its turn."""

    def timed(part: Any) -> Any:
        with turns, watch.stage(name):
            return work(part)

    return timed


def _through(parts: Iterator[Any], work: Callable[[Any], Any], workers: int) -> Generator[Any, None, None]:
    try:
        yield from map(work, parts) if workers == 1 else _side_by_side(work, parts, workers)
    finally:
        _close(parts)


def _side_by_side(
    work: Callable[[Any], Any], parts: Iterator[Any], workers: int
) -> Generator[Any, None, None]:
    """Work on several parts at once; results keep their order."""
    pool = ThreadPoolExecutor(workers, "scenivid-worker")
    begun: deque[Future[Any]] = deque()
    try:
        for part in parts:
            begun.append(pool.submit(work, part))
            if len(begun) > workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _close(parts: Iterator[Any]) -> None:
    if isinstance(parts, Generator | ReadAhead):
        parts.close()
