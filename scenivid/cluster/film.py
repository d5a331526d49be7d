"""One film made by a crew, in parts that begin at cuts; the result is the same as one process makes.

Its work folder is the one of a single run (`engine.segments.work`), with a folder in it for each part but
the first, and `plan.json`, which says where the parts begin. So any crew goes on with what any other has
left, and with what a single run has left, and every part goes on by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from scenivid.cluster.crew import Tell
from scenivid.cluster.film_tasks import (
    LOOK,
    Begun,
    Ended,
    Film,
    Found,
    Part,
    Plan,
    done_in,
    join,
    look,
    make,
    read_plan,
)
from scenivid.cluster.tasks import Task
from scenivid.engine.passage import Progress
from scenivid.engine.run import Report, made_of
from scenivid.engine.segments.work import Work, open_work, work_folder
from scenivid.engine.settings import StylizeSettings
from scenivid.machine import aside

_PATIENCE_S = 0.5
"""After which it is seen whether there is more to wait for."""


class Doers(Protocol):
    """Whoever does tasks: a `Crew`, or `Alone`."""

    def submit(self, task: Task, tell: Tell | None = None) -> Future[Any]: ...

    def drop(self, futures: Iterable[Future[Any]]) -> None: ...


def stylize_in_parts(
    source: Path,
    output: Path,
    settings: StylizeSettings,
    crew: Doers,
    progress: Progress | None = None,
) -> Report:
    """`engine.stylize`, shared out among a crew.

    Raises:
        InputError, OutputError, CheckpointError, ConfigError: as `engine.stylize`.
    """
    began = time.perf_counter()
    target = aside.check(output, source, settings.overwrite)
    made = made_of(source, settings)
    with open_work(target, made, settings.resume) as work:
        film = Film(source.absolute(), output.absolute(), settings, work.folder.absolute(), made)
        running = _Running(film, work, crew, progress)
        try:
            part, plan = running.run()
        except BaseException:
            crew.drop(running.futures)
            raise
    seconds = time.perf_counter() - began
    lost = plan.lost if plan else part.lost
    return Report(
        part.frames,
        seconds,
        part.frames / max(seconds, 1e-9),
        output,
        running.seconds(),
        part.settings | {"parts": len(plan.firsts) if plan else 1},
        running.notes(),
        frames_expected=part.frames + lost,
        frames_lost=lost,
    )


def left_in_parts(output: Path) -> bool:
    """Whether a crew was at this output and didn't finish."""
    target = output.resolve() if output.is_symlink() else output
    return (work_folder(target) / LOOK).is_dir()


class _Running:
    """A film while it is made."""

    def __init__(self, film: Film, work: Work, crew: Doers, progress: Progress | None) -> None:
        self._film, self._work, self._crew, self._progress = film, work, crew, progress
        self.futures: list[Future[Any]] = []
        self._parts: list[Part] = []
        self._notes: list[str] = []
        self._begins = [0]
        self._done: dict[int, int] = {}
        """Frames done in each part, by its first frame."""
        self._expected: int | None = None
        self._lock = threading.Lock()

    def run(self) -> tuple[Part, Plan | None]:
        """The last part, which finished the output, and the plan if there is one."""
        film, work = self._film, self._work
        plan = read_plan(film) if work.settled else None
        if plan is not None:  # a single run may have gone on with the first part, past its end
            later = tuple(first for first in plan.firsts[1:] if first >= work.frames)
            plan = replace(plan, firsts=(0, *later))
        if plan is None:
            work.write()
            looking = self._submit(look, (work.settled, work.frames), "look", self._looked)
            self._wait()
            plan = looking.result()
        else:
            self._expected = plan.end.frames
            for first in plan.firsts[1:]:
                self._looked(Found(first))
            self._looked(Ended(plan.end.frames))
            self._wait()
        if plan is not None and len(plan.firsts) > 1:
            self._submit(join, (plan,), "join", None)
            self._wait()
        return self._parts[-1], plan

    def notes(self) -> tuple[str, ...]:
        """Of all parts, each once."""
        return tuple(dict.fromkeys([*self._notes, *(note for part in self._parts for note in part.notes)]))

    def seconds(self) -> dict[str, float]:
        """Seconds that all workers together have spent in each stage."""
        names = self._parts[-1].seconds
        return {name: sum(part.seconds[name] for part in self._parts) for name in names}

    def _looked(self, told: Any) -> None:
        """Hear what `look` tells; parts are begun while it still looks."""
        if isinstance(told, Begun):
            self._expected = told.expected
            self._work.settled, self._work.begun = told.settled, True
            self._work.write()
            if told.why:
                self._notes.append(f"made by one worker: {told.why}")
                self._begin(0, None, finish=True)
        elif isinstance(told, Found):
            self._begin(self._begins[-1], told.first)
            self._begins.append(told.first)
        elif isinstance(told, Ended):
            alone = len(self._begins) == 1
            self._begin(self._begins[-1], None if alone else told.frames, finish=alone)

    def _begin(self, first: int, stop: int | None, finish: bool = False) -> None:
        """Have a part made, unless it is."""
        done = done_in(self._film, first)
        self._done[first] = done - first
        if stop is None or done < stop:
            name = f"frames {first + 1} to {stop or 'the end'}"
            self._submit(make, (first, stop, finish), name, lambda done: self._tell(first, done))

    def _tell(self, first: int, done: int) -> None:
        with self._lock:
            self._done[first] = done
            if self._progress is not None:
                self._progress(sum(self._done.values()), self._expected)

    def _submit(self, work: Any, arguments: tuple[Any, ...], name: str, tell: Tell | None) -> Future[Any]:
        task = Task(work, (self._film, *arguments), f"{self._film.source.name}: {name}")
        future = self._crew.submit(task, tell)
        self.futures.append(future)
        return future

    def _wait(self) -> None:
        """Until everything submitted so far, and meanwhile, is done; an error as soon as it comes."""
        left: list[Future[Any]] = [*self.futures]
        while left:
            wait(left, _PATIENCE_S, FIRST_EXCEPTION)
            for future in self.futures:
                if future.done():
                    future.result()
            left = [future for future in self.futures if not future.done()]
        self._parts = [part for future in self.futures if isinstance(part := future.result(), Part)]
