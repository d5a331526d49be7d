"""Folders of videos and trees of frame folders: find the jobs, run them one by one, report each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scenivid.engine import Report, StylizeSettings, stylize
from scenivid.errors import Cancelled, InputError, OutputError, ScenividError
from scenivid.styles.stylizer import Stylizer
from scenivid.video.reading.images import SUFFIXES as IMAGE_SUFFIXES

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
    folders, and `output` itself, are passed over.

    Raises:
        InputError: `source` is no folder, or holds nothing to do.
        OutputError: `output` is `source`.
    """
    if not source.is_dir():
        raise InputError(f"{source} is not a folder: batch takes a folder of videos or frame folders")
    if output.exists() and output.samefile(source):
        raise OutputError(f"{output} is the input itself: choose another folder for the results")
    found = [(path, _mirrored(path, source, output)) for path in _sources(source, output)]
    if not found:
        raise InputError(f"{source} holds no videos and no folders of frames")
    names = [target for _, target in found]
    return [
        Job(
            path,
            target if names.count(target) == 1 else target.with_name(path.name + target.suffix),
            settings,
        )
        for path, target in found
    ]


def run_jobs(
    jobs: list[Job],
    stylizer: Stylizer | None = None,
    begun: Callable[[int, Job], Callable[[int, int | None], None] | None] | None = None,
) -> Iterator[Result]:
    """Run the jobs in order; what is done already is skipped, what fails is reported and passed over.

    Args:
        stylizer: used for all jobs in place of their style.
        begun: told of each job before it runs; may return a progress callback for it.

    Raises:
        Cancelled, KeyboardInterrupt: at once; finished jobs stay finished.
    """
    for index, job in enumerate(jobs):
        if _done(job.output) and not job.settings.overwrite:
            yield Result(job.source, job.output, "skipped", "exists already", 0, 0.0)
            continue
        began = time.perf_counter()
        progress = begun(index, job) if begun is not None else None
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            report: Report = stylize(job.source, job.output, job.settings, progress, stylizer)
        except Cancelled:
            raise
        except (ScenividError, OSError) as error:
            seconds = time.perf_counter() - began
            yield Result(job.source, job.output, "failed", " ".join(str(error).split()), 0, seconds)
            continue
        yield Result(job.source, job.output, "done", " ".join(report.notes), report.frames, report.seconds)


def _sources(source: Path, output: Path) -> Iterator[Path]:
    excluded = output.resolve()
    for folder, folders, files in os.walk(source):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in folders if (here / name).resolve() != excluded]
        shown = sorted(name for name in files if not name.startswith("."))
        videos = [here / name for name in shown if Path(name).suffix.lower() in VIDEO_SUFFIXES]
        yield from videos
        if not videos and any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in shown):
            yield here


def _mirrored(path: Path, source: Path, output: Path) -> Path:
    target = output / path.relative_to(source)
    if path.is_dir():
        return target
    return target if path.suffix.lower() in _KEPT else target.with_suffix(".mp4")


def _done(output: Path) -> bool:
    return any(output.iterdir()) if output.is_dir() else output.exists()
