"""A crew of workers: tasks go to whoever is free, and what a dead worker was at goes to another."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from scenivid.cluster.tasks import Hand, Message, Task
from scenivid.engine.loading.loaded import Loaded
from scenivid.errors import Cancelled, OutputError

_DEATHS = 3
"""After so many workers have died at a task, it fails."""
_log = logging.getLogger(__name__)
Tell = Callable[[Any], None]


class Worker(Protocol):
    """Does one task at a time. Called from one thread."""

    def begin(self, task: Task, again: bool) -> None:
        """Start on a task."""

    def news(self) -> Sequence[Message]:
        """What it has said since it was last asked; at once."""

    @property
    def alive(self) -> bool:
        """Whether it can still say anything."""

    def end(self, kill: bool = False) -> None:
        """Have it stop in good order, or at once; don't wait for it."""


class Place(Protocol):
    """Where workers come from."""

    size: int
    """How many there may be."""

    def hire(self, number: int) -> Worker:
        """A new worker; `number` counts from 0 up to `size`."""

    def wait(self, workers: Sequence[Worker]) -> None:
        """Until one of them may have news, or `wake` is called, or a moment has passed."""

    def wake(self) -> None:
        """End `wait`; may be called from any thread."""

    def close(self, workers: Sequence[Worker]) -> None:
        """Wait for workers that were told to end, not for long, and let go of everything."""


@dataclass(eq=False)
class _Job:
    task: Task
    tell: Tell | None
    future: Future[Any] = field(default_factory=Future)
    deaths: int = 0


class Crew:
    """Used in `with`; leaving it ends the workers, whatever they are at."""

    def __init__(self, place: Place) -> None:
        self.size = place.size
        self._place = place
        self._waiting: deque[_Job] = deque()
        self._workers: dict[int, Worker] = {}
        self._busy: dict[int, _Job] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="scenivid-crew", daemon=True)
        self._thread.start()

    def submit(self, task: Task, tell: Tell | None = None) -> Future[Any]:
        """Have a task done.

        Args:
            tell: called with what the task tells, from a thread of the crew: be quick. An error in it ends
                the task.

        Returns:
            Its result; or a ScenividError, also for whatever else goes wrong in a worker.
        """
        job = _Job(task, tell)
        with self._lock:
            if self._closed:
                job.future.set_exception(Cancelled())
            else:
                self._waiting.append(job)
        self._place.wake()
        return job.future

    def drop(self, futures: Iterable[Future[Any]]) -> None:
        """Give up these tasks; workers that are at them are killed. Returns when none is at them any more."""
        futures = [future for future in futures if not future.done()]
        with self._lock:
            for job in [job for job in self._waiting if job.future in futures]:
                self._waiting.remove(job)
                if not job.future.cancel():
                    job.future.set_exception(Cancelled())
            for number, job in self._busy.items():
                if job.future in futures:
                    job.deaths = _DEATHS
                    self._workers[number].end(kill=True)
        self._place.wake()
        for future in futures:
            if not future.cancelled():
                future.exception()

    def close(self) -> None:
        """End everything; what is unfinished is Cancelled. Safe to call twice."""
        with self._lock:
            self._closed = True
        self._place.wake()
        self._thread.join()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while not self._closed:
                self._assign()
                self._place.wait([self._workers[number] for number in self._busy])
                for number in list(self._busy):
                    self._hear(number)
        except BaseException as error:  # nobody shall wait for ever
            _log.debug("the crew", exc_info=True)
            self._fail_all(error)
            raise
        finally:
            with self._lock:
                self._closed = True
                workers = list(self._workers.values())
                for worker in workers:
                    worker.end()
            self._place.close(workers)
            self._fail_all(Cancelled())

    def _assign(self) -> None:
        with self._lock:
            for number in range(self.size):
                if number in self._busy:
                    continue
                job = self._next()
                if job is None:
                    return
                self._busy[number] = job
                if number in self._workers and not self._workers[number].alive:
                    del self._workers[number]
                if number not in self._workers:
                    self._workers[number] = self._place.hire(number)
                self._workers[number].begin(job.task, job.deaths > 0)

    def _next(self) -> _Job | None:
        while self._waiting:
            job = self._waiting.popleft()
            if job.deaths or job.future.set_running_or_notify_cancel():
                return job
        return None

    def _hear(self, number: int) -> None:
        worker, job = self._workers[number], self._busy[number]
        alive = worker.alive  # asked first: what it said before it died is heard
        for message in worker.news():
            if message.done:
                with self._lock:
                    del self._busy[number]
                if message.trouble is None:
                    job.future.set_result(message.result)
                else:
                    job.future.set_exception(message.trouble.error())
                return
            try:
                if job.tell is not None:
                    job.tell(message.told)
            except BaseException as error:  # of whoever listens: theirs to handle
                with self._lock:
                    del self._busy[number], self._workers[number]
                worker.end(kill=True)
                job.future.set_exception(error)
                return
        if not alive:
            self._bury(number, job)

    def _bury(self, number: int, job: _Job) -> None:
        job.deaths += 1
        with self._lock:
            del self._busy[number], self._workers[number]
        if job.deaths >= _DEATHS:
            text = f"{job.task.name}: its worker died, {_DEATHS} times (out of memory?)"
            job.future.set_exception(OutputError(text))
            return
        _log.warning("a worker died at %s: another takes it up", job.task.name)
        with self._lock:
            self._waiting.appendleft(job)

    def _fail_all(self, error: BaseException) -> None:
        with self._lock:
            jobs = [*self._busy.values(), *self._waiting]
            self._busy.clear()
            self._waiting.clear()
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(error)


class Alone:
    """A crew of one, in this very thread."""

    size = 1

    def __init__(self) -> None:
        self._loaded = Loaded()

    def submit(self, task: Task, tell: Tell | None = None) -> Future[Any]:
        """Do the task before returning."""
        future: Future[Any] = Future()
        try:
            future.set_result(task.work(Hand(self._loaded, tell or (lambda _: None)), *task.arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def drop(self, futures: Iterable[Future[Any]]) -> None:
        """All are done."""
