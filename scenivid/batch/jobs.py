"""Folders of videos and trees of frame folders: find the jobs, run them one by one, report each."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scenivid import locks
from scenivid.batch.records import (
    FOLDER,
    Record,
    occupied,
    read_record,
    record_path,
    write_record,
)
from scenivid.engine import Report, StylizeSettings, stylize
from scenivid.engine.made import Made, network_of
from scenivid.errors import Cancelled, InputError, OutputError, foreseen, one_line
from scenivid.styles.stylizer import Stylizer
from scenivid.video.reading.images import SUFFIXES as IMAGE_SUFFIXES

_log = logging.getLogger(__name__)
VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".3gp",
        ".ogv",
        ".mxf",
        ".gif",
        ".y4m",
        ".vob",
    ]
)
_KEPT = frozenset((".mp4", ".mov", ".mkv", ".webm"))
"""Containers that we write as well; a video in any other becomes .mp4."""


@dataclass(frozen=True)
class Job:
    """One video or frame folder to stylize: a plain value that can travel to another machine."""

    source: Path
    output: Path
    settings: StylizeSettings
    records: Path | None = None
    """Folder that remembers what is done; None for `.scenivid` beside the output."""


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


def find_jobs(source: Path, output: Path, settings: StylizeSettings) -> list[Job]:
    """Every video file and every folder of frames below `source`, with mirrored names below `output`.

    A folder counts as frames when images lie directly in it and no video does. Hidden files and
    folders, and `output` itself, are passed over. No two outputs are the same.

    Raises:
        InputError: `source` is no folder, or holds nothing to do.
        OutputError: `output` is `source`, or no folder.
    """
    if not source.is_dir():
        raise InputError(f"{source} is not a folder: batch takes a folder of videos or frame folders")
    if output.exists() and output.samefile(source):
        raise OutputError(f"{output} is the input itself: choose another folder for the results")
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is no folder: batch writes a folder of results")
    found = list(_sources(source, output))
    if not found:
        raise InputError(f"{source} holds no videos and no folders of frames")
    targets = _outputs(found, source, output)
    return [Job(path, target, settings, output / FOLDER) for path, target in zip(found, targets, strict=True)]


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
    waiting = []
    for index, job in enumerate(jobs):
        result = _attempt(index, job, networks, stylizer, begun)
        if result is None:
            waiting.append((index, job))
        else:
            yield result
    for index, job in waiting:
        result = _attempt(index, job, networks, stylizer, begun)
        yield result or Result(job.source, job.output, "skipped", "another run is at it", 0, 0.0)


def _attempt(
    index: int, job: Job, networks: dict[str, str | None], stylizer: Stylizer | None, begun: Begun | None
) -> Result | None:
    """Run one job, or say why not; None if another process is at it."""
    began = time.perf_counter()
    try:
        record = record_path(job.records or job.output.parent / FOLDER, job.output)
        with locks.hold(record.with_suffix(".lock")) as mine:
            return _run(index, job, record, networks, stylizer, begun) if mine else None
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
    stylizer: Stylizer | None,
    begun: Begun | None,
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
    write_record(path, replace(record, begun=now, before=there))
    made_folder = job.source.is_dir() and not job.output.exists()
    try:
        # A folder makes a folder, also where its name looks like a file's.
        (job.output if job.source.is_dir() else job.output.parent).mkdir(parents=True, exist_ok=True)
        progress = begun(index, job) if begun is not None else None
        report: Report = stylize(job.source, job.output, settings, progress, stylizer)
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


def _sources(source: Path, output: Path) -> Iterator[Path]:
    excluded = output.resolve()
    unreadable: list[str] = []
    lost = 0
    for folder, folders, files in os.walk(source, onerror=lambda error: unreadable.append(error.filename)):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if excluded.name in folders and (here / excluded.name).resolve() == excluded:
            folders.remove(excluded.name)
        shown = [(name, os.path.splitext(name)[1].lower()) for name in files if not name.startswith(".")]  # noqa: PTH122 (quick)
        videos = sorted(name for name, suffix in shown if suffix in VIDEO_SUFFIXES)
        yield from (here / name for name in videos)
        images = sum(suffix in IMAGE_SUFFIXES for _, suffix in shown)
        if images and not videos:
            yield here
        lost += images if videos else 0
    yield from map(Path, unreadable)  # running them says why
    if lost:
        _log.info("%d pictures that lie beside videos are passed over", lost)


def _outputs(found: list[Path], source: Path, output: Path) -> list[Path]:
    """Mirrored names. A video whose suffix becomes .mp4 gives way to one that has that name already."""
    mirrored = [output / path.relative_to(source) for path in found]
    kept = {target for path, target in zip(found, mirrored, strict=True) if _keeps_name(path)}
    taken = kept | {parent for target in mirrored for parent in target.parents}
    targets = []
    for path, target in zip(found, mirrored, strict=True):
        if target not in kept:
            names = [target.with_suffix(".mp4"), target.with_name(path.name + ".mp4")]
            number = 2
            while names[0] in taken:
                names.pop(0)
                names += [] if names else [target.with_name(f"{path.name}.{number}.mp4")]
                number += 1
            target = names[0]
            taken.add(target)
        targets.append(target)
    return targets


def _keeps_name(path: Path) -> bool:
    return path.suffix.lower() in _KEPT or path.is_dir()
