"""Jobs, and how they are kept: one folder each, with everything that outlives the server in job.json."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scenivid.errors import ConfigError, InputError, ScenividError
from scenivid.machine import aside
from scenivid.ui.choices import Choices
from scenivid.ui.place import Place, clean_name, is_id, new_id
from scenivid.ui.sources import Source

State = Literal["queued", "running", "stopped", "failed", "done"]
RECORD = "job.json"
REPORT = "report.json"
"""What `stylize --json` says at the end."""
FLICKER = "flicker.json"
LOG = "log.jsonl"
"""What `stylize --progress json` said on the way."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One run of `scenivid stylize`: what, how, and how it stands."""

    id: str
    user: str
    number: int
    """Counts a user's jobs; for people."""
    source: str
    """As the API calls it."""
    source_path: Path
    title: str
    """The source's name."""
    still: bool
    choices: Choices
    result: str
    """Name of the result, in the job's folder."""
    created: float
    """Seconds since 1970, as are the next two."""
    state: State = "queued"
    started: float | None = None
    finished: float | None = None
    error: str | None = None
    """Why it failed, in one line."""
    progress: Mapping[str, Any] | None = None
    """The last `scenivid.progress.State`, as JSON."""

    def arguments(self, folder: Path) -> list[str]:
        """What the command line is called with."""
        return [
            "stylize", str(self.source_path), str(folder / self.result),
            *self.choices.arguments(self.still), "--resume", "--progress", "json", "--json",
        ]  # fmt: skip

    @property
    def command(self) -> str:
        """The line to type for the same bytes, with the names people know."""
        source = self.title if self.source.startswith("upload:") else str(self.source_path)
        return self.choices.command(source, self.result, self.still)


def new_job(user: str, number: int, source: Source, choices: Choices, now: float) -> Job:
    """A job to be done.

    Raises:
        ConfigError: the format doesn't suit the source, or the part asked for lies outside it.
    """
    if source.duration is not None and (choices.start or 0) >= source.duration:
        raise ConfigError(f"start lies beyond the end of {source.title} ({source.duration:.1f} s)")
    name = result_name(source, choices)
    return Job(
        new_id(), user, number, source.name, source.path, source.title, source.still, choices, name, now
    )


def result_name(source: Source, choices: Choices) -> str:
    """The name of what `source` becomes: `clip-cel.mp4`.

    Raises:
        ConfigError: the format doesn't suit the source.
    """
    stem = Path(clean_name(source.title)).stem
    return f"{stem}-{choices.style}{choices.suffix(source.still)}"


class Jobs:
    """All jobs on disk. Not for several threads at once: `queue` holds a lock."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def folder(self, job: Job) -> Path:
        """Where a job's files lie."""
        return self._place.jobs(job.user) / job.id

    def save(self, job: Job) -> None:
        """Write it down, whole or not at all."""
        folder = self.folder(job)
        folder.mkdir(exist_ok=True)
        values = asdict(job) | {"source_path": str(job.source_path)}
        with aside.whole(folder / RECORD) as part:
            part.write_text(json.dumps(values), encoding="utf-8")

    def remove(self, job: Job) -> None:
        """Remove all that is kept of it; its source stays."""
        shutil.rmtree(self.folder(job), ignore_errors=True)

    def load(self) -> list[Job]:
        """Every job, oldest first. What can't be read is named in the log and left alone."""
        found = []
        for user in self._place.users():
            for folder in sorted(self._place.jobs(user).iterdir()):
                if is_id(folder.name) and (folder / RECORD).is_file():
                    try:
                        found.append(_read(folder / RECORD))
                    except (OSError, ValueError, TypeError, KeyError, ScenividError) as exc:
                        _log.warning("job %s is left alone: %s", folder.name, exc)
        return sorted(found, key=lambda job: job.created)

    def report(self, job: Job) -> dict[str, Any] | None:
        """What the run said at its end; None where it hasn't ended."""
        return _json(self.folder(job) / REPORT)

    def flicker(self, job: Job) -> dict[str, Any] | None:
        """The flicker that was measured, if it was."""
        return _json(self.folder(job) / FLICKER)


def as_json(job: Job, jobs: Jobs) -> dict[str, Any]:
    """A job as the API shows it: no path of this machine in it but one that the user named."""
    done = job.state == "done"
    report = jobs.report(job) if done else None
    return {
        "id": job.id,
        "number": job.number,
        "source": job.source,
        "title": job.title,
        "still": job.still,
        "settings": asdict(job.choices),
        "state": job.state,
        "progress": job.progress,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "error": job.error,
        "command": job.command,
        "result": f"/api/jobs/{job.id}/result" if done else None,
        "result_name": job.result,
        "size": (jobs.folder(job) / job.result).stat().st_size if done else None,
        "notes": list(report.get("notes", ())) if report else [],
        "frames": report.get("frames") if report else None,
        "seconds": report.get("seconds") if report else None,
        "flicker": jobs.flicker(job) if done else None,
    }


def moved(job: Job, state: State, **changes: Any) -> Job:
    """The same job in another state.

    Raises:
        ConfigError: there is no way from its state to that one.
    """
    ways: dict[State, tuple[State, ...]] = {
        "queued": ("running", "stopped"),
        "running": ("stopped", "failed", "done", "queued"),
        "stopped": ("queued",),
        "failed": ("queued",),
        "done": (),
    }
    if state not in ways[job.state]:
        raise ConfigError(f"job {job.number} is {job.state}: it can't become {state}")
    return replace(job, state=state, **changes)


def no_job(number: str) -> InputError:
    """The error for a job that isn't there, or is somebody else's: nobody learns which."""
    return InputError(f"no job {number!r}")


def _read(path: Path) -> Job:
    values = json.loads(path.read_text(encoding="utf-8"))
    values["choices"] = Choices.of(values["choices"])
    values["source_path"] = Path(values["source_path"])
    return Job(**values)


def _json(path: Path) -> dict[str, Any] | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
        values = json.loads(text.splitlines()[-1]) if text else None
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
