"""All that the window can do, for the page and for the API alike."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scenivid.errors import ConfigError, InputError
from scenivid.machine import locks
from scenivid.styles.zoo import entries
from scenivid.ui.choices import Choices
from scenivid.ui.place import Place
from scenivid.ui.sources import Source, Sources
from scenivid.ui.stills import Stills
from scenivid.ui.work.chores import Chore, Chores
from scenivid.ui.work.jobs import Job, Jobs, as_json
from scenivid.ui.work.queue import Queue

MOVING_S = 5.0
"""Length of a moving preview."""


@dataclass(frozen=True, eq=False)
class Studio:
    """What serves the users of one home."""

    place: Place
    sources: Sources
    queue: Queue
    chores: Chores
    stills: Stills
    device: str

    def moving(self, user: str, source: Source, at: float, choices: Choices) -> Chore:
        """Begin five seconds with and without coherence."""
        if source.still:
            raise ConfigError(f"{source.title} is a picture: it doesn't move")
        choices.kind(source.still)
        plain = asdict(choices) | {"start": None, "duration": None, "format": None}
        state = source.path.stat()
        values = {
            "source": str(source.path), "at": at, "seconds": MOVING_S, "choices": plain,
            "device": self.device,
        }  # fmt: skip
        key = hashlib.sha256(json.dumps([values, state.st_mtime_ns, state.st_size]).encode()).hexdigest()[:16]
        return self.chores.submit(user, "moving", key, self.place.previews(user) / key, values)

    def of_job(self, user: str, number: str, kind: str) -> Chore:
        """Begin the views or the flicker figures of a finished job.

        Raises:
            InputError: no such job.
            ConfigError: it isn't finished.
        """
        job = self.queue.get(user, number)
        folder = self.queue.jobs.folder(job)
        if job.state != "done":
            raise ConfigError(f"job {job.number} is {job.state}, not done")
        if kind == "flicker" and job.still:
            raise ConfigError("a picture doesn't flicker")
        values = {
            "source": str(job.source_path), "result": str(folder / job.result),
            "start": job.choices.start, "duration": job.choices.duration, "device": self.device,
        }  # fmt: skip
        return self.chores.submit(user, kind, job.id, folder, values)

    def view(self, user: str, number: str, which: str) -> Path:
        """The file that the page plays for a job's 'source' or 'result'.

        Raises:
            InputError: it isn't made (yet).
        """
        job = self.queue.get(user, number)
        folder = self.queue.jobs.folder(job)
        name: str | None = self.views(job).get(which, {}).get("file")
        if name:
            return folder / name
        return job.source_path if which == "source" else folder / job.result

    def views(self, job: Job) -> dict[str, Any]:
        """What `errands` has said of a job's views.

        Raises:
            InputError: nothing yet.
        """
        try:
            values = json.loads((self.queue.jobs.folder(job) / "views.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InputError(f"the views of job {job.number} aren't made yet") from None
        return dict(values)

    def shown(self, job: Job) -> dict[str, Any]:
        """A job for the API."""
        return as_json(job, self.queue.jobs)


@contextlib.contextmanager
def open_studio(
    home: Path, folders: tuple[Path, ...] = (), at_once: int = 1, device: str = "auto"
) -> Iterator[Studio]:
    """A studio at work; on leaving, what runs is stopped, to go on next time.

    Raises:
        ConfigError: another server works in this home.
    """
    place = Place(home)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locks.hold(home / "server.lock") as alone:
        if not alone:
            raise ConfigError(f"another scenivid ui works in {home}: stop it, or give another --home")
        queue, chores = Queue(Jobs(place), at_once, device), Chores()
        place.tidy(queue.files())
        studio = Studio(place, Sources(place, folders), queue, chores, Stills(device), device)
        queue.start()
        chores.start()
        try:
            yield studio
        finally:
            queue.close()
            chores.close()


def style_cards() -> list[dict[str, Any]]:
    """Styles that are on this machine, for the cards."""
    found = []
    for entry in entries():
        if entry.path is not None:
            card = entry.card
            found.append(
                {
                    "name": entry.name,
                    "about": card.description,
                    "ink": bool(card.params.get("line")) if card.params else False,
                    "licence": card.licence,
                    "commercial_use": card.commercial_use,
                }
            )
    return found


def wanted(values: dict[str, Any], known: tuple[str, ...]) -> tuple[dict[str, Any], Choices]:
    """The values of a request that aren't dials, and the dials.

    Raises:
        InputError: no source is named.
        ConfigError: a dial is unknown or out of range.
    """
    own = {name: values[name] for name in known if name in values}
    if not isinstance(own.get("source"), str):
        raise InputError("name a source: 'upload:…' as PUT /api/uploads/NAME said, or a path")
    return own, Choices.of({name: value for name, value in values.items() if name not in known})
