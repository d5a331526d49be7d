"""Folders of videos, frames and pictures: find the jobs, run them one by one, report each."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scenivid.batch.records import (
    FOLDER,
    Record,
    occupied,
    read_record,
    record_path,
    write_record,
)
from scenivid.batch.sources import find_sources, outputs_for
from scenivid.cluster.crew import Alone
from scenivid.cluster.film import left_in_parts, stylize_in_parts
from scenivid.engine import Report, StylizeSettings, stylize
from scenivid.engine.made import Made, network_of
from scenivid.engine.run import Progress
from scenivid.errors import Cancelled, InputError, OutputError, foreseen, one_line
from scenivid.machine import locks
from scenivid.styles.stylizer import Stylizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One video, frame folder or picture to stylize: a plain value that can travel to another machine."""

    source: Path
    output: Path
    settings: StylizeSettings
    records: Path | None = None
    """Folder that remembers what is done; None for `.scenivid` beside the output."""


Make = Callable[[Path, Path, StylizeSettings, Progress | None], Report]
Check = Callable[[], None]
"""Raises an error if the job is no longer ours."""
Hold = Callable[[Path], AbstractContextManager[Check | None]]
"""Keeps others from a job, by its record; None where another has it."""
Begun = Callable[[int, Job], Callable[[int, int | None], None] | None]
"""Told of each job before it runs; may return a progress callback for it."""


@dataclass(frozen=True)
class Result:
    """How one job ended."""

    source: Path
    output: Path
    status: Literal["done", "skipped", "failed"]
    message: str
    """Why it failed or was skipped; notes of a job that was done."""
    frames: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "source": str(self.source), "output": str(self.output)}


def find_jobs(
    source: Path | str, output: Path | str, settings: StylizeSettings, kind: str = "auto"
) -> list[Job]:
    """Every video, folder of frames and picture below `source`, with mirrored names below `output`.

    What is which, see `sources.find_sources`. No two outputs are the same. What is said about codecs is for
    videos: pictures stay what they are.

    Args:
        kind: whether pictures that lie together are 'frames' or 'pictures'; 'auto' looks.

    Raises:
        ConfigError: no such kind.
        InputError: `source` is no folder, or holds nothing to do.
        OutputError: `output` is `source`, or no folder.
    """
    source, output = Path(source), Path(output)
    if not source.is_dir():
        raise InputError(
            f"{source} is not a folder: batch takes a folder of videos, frame folders or pictures"
        )
    if output.exists() and output.samefile(source):
        raise OutputError(f"{output} is the input itself: choose another folder for the results")
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is no folder: batch writes a folder of results")
    found = find_sources(source, output, kind)
    if not found:
        raise InputError(f"{source} holds no videos, no folders of frames and no pictures")
    targets = outputs_for(found, source, output)
    settings = replace(settings, agreed=output / FOLDER)
    plain = replace(settings, codec=None, crf=None, preset=None, pixel_format=None)
    return [
        Job(one.path, target, plain if one.picture else settings, output / FOLDER)
        for one, target in zip(found, targets, strict=True)
    ]


def run_jobs(
    jobs: list[Job],
    stylizer: Stylizer | None = None,
    begun: Begun | None = None,
) -> Iterator[Result]:
    """Run the jobs in order; what is done already is skipped, what fails is reported and passed over.

    Done means made from this source with these settings; anything else that stands at an output is replaced
    only with `overwrite`. Two runs over the same jobs share them: what the other one is at is left to it.

    Args:
        stylizer: used for all jobs in place of their style.
        begun: told of each job before it runs; may return a progress callback for it.

    Returns:
        One result for every job; jobs of another run come last.

    Raises:
        Cancelled, KeyboardInterrupt: at once; finished jobs stay finished. Whatever else goes wrong is the
            failure of that job.
    """
    networks: dict[str, str | None] = {}

    def make(source: Path, output: Path, settings: StylizeSettings, progress: Progress | None) -> Report:
        if settings.resume and left_in_parts(output):
            return stylize_in_parts(source, output, settings, Alone(), progress)
        return stylize(source, output, settings, progress, stylizer)

    waiting = []
    for index, job in enumerate(jobs):
        result = attempt(index, job, networks, make, begun)
        if result is None:
            waiting.append((index, job))
        else:
            yield result
    for index, job in waiting:
        yield attempt(index, job, networks, make, begun) or left_to_another(job)


def left_to_another(job: Job) -> Result:
    """Of a job that somebody else is at."""
    return Result(job.source, job.output, "skipped", "another run is at it", 0, 0.0)


@contextmanager
def locked(record: Path) -> Iterator[Check | None]:
    """Hold a job against other processes of this machine; None where another has it."""
    with locks.hold(record.with_suffix(".lock")) as mine:
        yield (lambda: None) if mine else None


def attempt(
    index: int,
    job: Job,
    networks: dict[str, str | None],
    make: Make,
    begun: Begun | None,
    hold: Hold = locked,
    take_up: bool = False,
) -> Result | None:
    """Run one job, or say why not; None if another process is at it.

    Args:
        index: of the job, for `begun`.
        networks: digests of styles that are known.
        make: makes the output.
        hold: keeps others from the job.
        take_up: go on with what a run that was killed at this very job has left.

    Raises:
        Cancelled, KeyboardInterrupt: at once.
    """
    began = time.perf_counter()
    try:
        record = record_path(job.records or job.output.parent / FOLDER, job.output)
        with hold(record) as check:
            if check is None:
                return None
            return _run(index, job, record, networks, make, begun, check, take_up)
    except Cancelled:
        raise
    except Exception as error:  # whatever it is, it must not cost the other jobs
        if not foreseen(error):
            _log.debug("%s", job.source, exc_info=True)
        message = one_line(error)
    if "memory" in message:
        gc.collect()  # frames that hang in a cycle
    return Result(job.source, job.output, "failed", message, 0, time.perf_counter() - began)


def _run(
    index: int,
    job: Job,
    path: Path,
    networks: dict[str, str | None],
    make: Make,
    begun: Begun | None,
    check: Check,
    take_up: bool,
) -> Result:
    if job.source.exists() and not (job.source.is_file() or job.source.is_dir()):
        raise InputError(f"{job.source} is a pipe, a socket or a device: a batch takes files and folders")
    style = job.settings.style
    if style not in networks:
        networks[style] = network_of(style)
    now = Made.of(job.source, job.settings, networks[style])
    record, there = read_record(path), occupied(job.output)
    settings = job.settings
    if there and not settings.overwrite:
        left = record.begun is not None and not record.begun.differences(now) and there != record.before
        if left and not job.output.is_dir():  # killed after the rename
            size = job.output.stat().st_size
            write_record(path, Record(done=now, size=size))
            return Result(job.source, job.output, "skipped", "exists already", 0, 0.0)
        if not left:
            _check_done(job.output, record, now)
            return Result(job.source, job.output, "skipped", "exists already", 0, 0.0)
        settings = replace(settings, overwrite=True)  # frames of ours, perhaps not all
    if take_up and record.begun is not None and not record.begun.differences(now):
        settings = replace(settings, resume=True)
    write_record(path, replace(record, begun=now, before=there))
    made_folder = job.source.is_dir() and not job.output.exists()
    try:
        # A folder makes a folder, also where its name looks like a file's.
        (job.output if job.source.is_dir() else job.output.parent).mkdir(parents=True, exist_ok=True)
        tell = begun(index, job) if begun is not None else None

        def progress(done: int, expected: int | None) -> None:
            check()
            if tell is not None:
                tell(done, expected)

        report = make(job.source, job.output, settings, progress)
    except BaseException:
        write_record(path, record)
        if made_folder and job.output.is_dir() and not any(job.output.iterdir()):
            job.output.rmdir()
        raise
    size = job.output.stat().st_size if job.output.is_file() else 0
    write_record(path, Record(done=now, frames=report.frames, size=size))
    return Result(job.source, job.output, "done", " ".join(report.notes), report.frames, report.seconds)


def _check_done(output: Path, record: Record, now: Made) -> None:
    """Raise OutputError unless what stands at `output` was made from what `now` says."""
    advice = "pass --overwrite to replace it, or choose another folder"
    if record.done is None:
        raise OutputError(f"{output} exists already and was not made by this batch: {advice}")
    changed = record.done.differences(now)
    if changed:
        raise OutputError(f"{output} exists already, but {'; '.join(changed)}: {advice}")
    if not record.finished(output):
        raise OutputError(f"{output} has been changed since it was made: {advice}")
