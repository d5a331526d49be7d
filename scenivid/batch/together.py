"""The jobs of a batch shared out among a crew: files side by side, and the last ones in parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any

from scenivid.batch.jobs import Begun, Hold, Job, Result, attempt, left_to_another, locked
from scenivid.cluster.crew import Crew
from scenivid.cluster.film import stylize_in_parts
from scenivid.cluster.tasks import Hand, Task
from scenivid.engine.run import stylize_with
from scenivid.errors import OutputError

Ended = Callable[[int, Job, bool], None]
"""Told whether it failed."""


def run_together(
    jobs: Sequence[Job],
    crew: Crew,
    begun: Begun | None = None,
    ended: Ended | None = None,
    hold: Hold = locked,
    take_up: bool = False,
    pause_s: float | None = None,
) -> Iterator[Result]:
    """`jobs.run_jobs` with several workers; results come as jobs end.

    While there are as many files left as workers, each is made by one of them; then the rest is made in
    parts. What a worker was at that died is taken up by another.

    Args:
        begun: as in `run_jobs`, but from several threads.
        ended: told of each job that has been begun, when it is over.
        hold: keeps others from a job; must travel to other processes.
        take_up: see `attempt`.
        pause_s: after so many seconds, look again at jobs that others are at, until all are over; None to
            leave those to them.

    Raises:
        Cancelled, KeyboardInterrupt: the crew is then ended.
    """
    one = partial(_one, crew, len(jobs), begun, ended, hold, take_up)
    pool = ThreadPoolExecutor(crew.size, "scenivid-batch")
    try:
        waiting = []
        futures = {pool.submit(one, index, job): (index, job) for index, job in enumerate(jobs)}
        for future in as_completed(futures):
            if (result := future.result()) is None:
                waiting.append(futures[future])
            else:
                yield result
        while waiting:
            left = []
            for index, job in waiting:
                result = one(index, job)
                if result is None and pause_s is not None:
                    left.append((index, job))
                else:
                    yield result or left_to_another(job)
            waiting = left
            if waiting and pause_s is not None:
                time.sleep(pause_s)
    except BaseException:
        crew.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _one(
    crew: Crew,
    count: int,
    begun: Begun | None,
    ended: Ended | None,
    hold: Hold,
    take_up: bool,
    index: int,
    job: Job,
) -> Result | None:
    failed = True
    result: Result | None
    try:
        if count - index < crew.size:
            result = attempt(
                index,
                job,
                {},
                lambda source, output, settings, tell: stylize_in_parts(source, output, settings, crew, tell),
                begun,
                hold,
                take_up,
            )
            failed = result is None or result.status == "failed"
            return result
        tell: Callable[[int, int | None], None] | None = None

        def told(state: tuple[int, int | None]) -> None:
            nonlocal tell
            tell = tell or (begun(index, job) if begun is not None else None) or (lambda *_: None)
            tell(*state)

        future: Future[Any] = crew.submit(Task(_whole, (index, job, hold, take_up), str(job.source)), told)
        result = future.result()
        failed = result is None or result.status == "failed"
        return result
    except OutputError as error:  # of the crew: it died of this job, again and again
        return Result(job.source, job.output, "failed", str(error), 0, 0.0)
    finally:
        if ended is not None:
            ended(index, job, failed)


def _whole(hand: Hand, index: int, job: Job, hold: Hold, take_up: bool) -> Result | None:
    """One job, in a worker."""
    return attempt(
        index,
        job,
        {},
        partial(stylize_with, hand.loaded),
        lambda *_: lambda done, expected: hand.tell((done, expected)),
        hold,
        take_up or hand.again,
    )
