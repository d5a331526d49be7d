"""The queue: so many jobs at once, each a child process; what it holds survives the server."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from scenivid.errors import ConfigError, ScenividError, one_line
from scenivid.ui.choices import Choices
from scenivid.ui.sources import Source
from scenivid.ui.work.child import Begin, Child, Process
from scenivid.ui.work.jobs import LOG, REPORT, Job, Jobs, moved, new_job, no_job

MOST_WAITING = 200
"""Jobs of one user that may wait."""
_log = logging.getLogger(__name__)


class Queue:
    """Runs jobs, oldest first, and takes turns between users. All methods may be called from any thread."""

    def __init__(
        self,
        jobs: Jobs,
        at_once: int = 1,
        device: str = "auto",
        clock: Callable[[], float] = time.time,
        begin: Begin = Child,
    ) -> None:
        """Take up what an earlier server has left: what was running is queued again.

        Args:
            jobs: where they are kept.
            at_once: jobs that run at the same time.
            device: for `--device`.
            clock: seconds since 1970.
            begin: starts a child.
        """
        self.jobs = jobs
        self._device, self._clock, self._begin = device, clock, begin
        self._changed = threading.Condition()
        self._known = {job.id: self._taken_up(job) for job in jobs.load()}
        self._children: dict[str, Process] = {}
        self._told_to_stop: set[str] = set()
        self._served: dict[str, float] = {}
        """When each user's last job began."""
        self._closing = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"scenivid-jobs-{index}", daemon=True)
            for index in range(at_once)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop all children; their jobs go on when the next server starts."""
        with self._changed:
            self._closing = True
            for child in self._children.values():
                child.stop()
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def submit(self, user: str, source: Source, choices: Choices) -> Job:
        """Queue a job.

        Raises:
            ConfigError: it can't be done, or too many wait.
            OutputError: it can't be written down.
        """
        with self._changed:
            own = [job for job in self._known.values() if job.user == user]
            if sum(job.state == "queued" for job in own) >= MOST_WAITING:
                raise ConfigError(f"{MOST_WAITING} jobs are waiting already: cancel some first")
            number = max((job.number for job in own), default=0) + 1
            job = new_job(user, number, source, choices, self._clock())
            self._keep(job)
            return job

    def get(self, user: str, number: str) -> Job:
        """A user's job.

        Raises:
            InputError: no such job.
        """
        with self._changed:
            job = self._known.get(number)
        if job is None or job.user != user:
            raise no_job(number)
        return job

    def all(self, user: str) -> list[Job]:
        """A user's jobs, newest first."""
        with self._changed:
            own = [job for job in self._known.values() if job.user == user]
        return sorted(own, key=lambda job: -job.number)

    def files(self) -> set[Path]:
        """Every file that a job was made from."""
        with self._changed:
            return {job.source_path for job in self._known.values()}

    def cancel(self, user: str, number: str) -> Job:
        """Stop a job; `resume` goes on with it.

        Raises:
            InputError: no such job.
            ConfigError: it has ended.
        """
        with self._changed:
            job = self.get(user, number)
            if job.state == "running":
                self._told_to_stop.add(job.id)
                if child := self._children.get(job.id):
                    child.stop()
                return job
            return self._keep(moved(job, "stopped", finished=self._clock()))

    def resume(self, user: str, number: str) -> Job:
        """Queue a job again that was stopped or has failed; it goes on where it was.

        Raises:
            InputError: no such job.
            ConfigError: it isn't stopped.
        """
        with self._changed:
            job = self.get(user, number)
            return self._keep(moved(job, "queued", finished=None, error=None))

    def remove(self, user: str, number: str) -> None:
        """Forget a job and its result.

        Raises:
            InputError: no such job.
            ConfigError: it runs.
        """
        with self._changed:
            job = self.get(user, number)
            if job.state == "running":
                raise ConfigError(f"job {job.number} is running: cancel it first")
            del self._known[job.id]
            self.jobs.remove(job)

    def _taken_up(self, job: Job) -> Job:
        if job.state != "running":
            return job
        if (self.jobs.folder(job) / job.result).exists():  # it appears only when it is complete
            return self._saved(moved(job, "done", finished=self._clock()))
        return self._saved(moved(job, "queued"))

    def _saved(self, job: Job) -> Job:
        self.jobs.save(job)
        return job

    def _keep(self, job: Job) -> Job:
        """Write a job down and wake who waits; with the lock held."""
        self._known[job.id] = self._saved(job)
        self._changed.notify_all()
        return job

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._run(job)
            except Exception as exc:  # the next job has its turn whatever happens to this one
                if not isinstance(exc, ScenividError | OSError):
                    _log.exception("job %s", job.id)
                with self._changed, contextlib.suppress(ScenividError, OSError):
                    now = self._known[job.id]
                    self._keep(moved(now, "failed", error=one_line(exc), finished=self._clock()))

    def _next(self) -> Job | None:
        """Wait for a job and mark it as running; None when all is to end."""
        with self._changed:
            while not self._closing:
                waiting = [job for job in self._known.values() if job.state == "queued"]
                if waiting:
                    turn = min(waiting, key=lambda job: (self._served.get(job.user, 0.0), job.created))
                    self._served[turn.user] = time.monotonic()
                    return self._keep(moved(turn, "running", started=self._clock(), progress=None))
                self._changed.wait()
            return None

    def _run(self, job: Job) -> None:
        folder = self.jobs.folder(job)
        with self._changed:
            if self._closing:
                return
            arguments = [*job.arguments(folder), "--device", self._device]
            child = self._begin(arguments, folder / REPORT, folder / LOG, folder / "run.lock")
            self._children[job.id] = child
            if job.id in self._told_to_stop:
                child.stop()
        try:
            status = child.follow(lambda values: self._progress(job.id, values))
        finally:
            with self._changed:
                del self._children[job.id]
                stopped = job.id in self._told_to_stop
                self._told_to_stop.discard(job.id)
        with self._changed:
            job = self._known[job.id]
            done = status == 0 and (folder / job.result).exists()
            if done:
                self._keep(moved(job, "done", finished=self._clock()))
            elif stopped:
                self._keep(moved(job, "stopped", finished=self._clock()))
            elif not self._closing:
                error = self._said(child, status)
                for place in (folder, job.source_path.parent):  # people know the names, not the places
                    error = error.replace(f"{place}/", "")
                self._keep(moved(job, "failed", error=error, finished=self._clock()))

    def _said(self, child: Process, status: int) -> str:
        if status < 0:
            return child.error or f"ended by signal {-status}: out of memory, perhaps"
        return child.error or f"ended with status {status}"

    def _progress(self, number: str, values: dict[str, Any]) -> None:
        with self._changed:
            if number in self._known:  # kept in memory only: it changes each second
                self._known[number] = replace(self._known[number], progress=values)
