"""What workers do for one film: look for the places where it can be divided, make a part, join the parts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scenivid.cluster.tasks import Hand
from scenivid.engine.made import Made
from scenivid.engine.passage import Passage
from scenivid.engine.run import resolved
from scenivid.engine.segments.work import Boundary, Work, read_work
from scenivid.engine.settings import StylizeSettings
from scenivid.errors import OutputError
from scenivid.machine import aside
from scenivid.video.writing.picture.pieces import sync

LOOK = "look"
"""Folder of the look, in the work folder."""
_PLAN = "plan.json"
_FRAMES = "frames"


@dataclass(frozen=True)
class Film:
    """One output to be made in parts, all kept in its work folder."""

    source: Path
    output: Path
    settings: StylizeSettings
    folder: Path
    """The work folder; in it, one folder for each part but the first, named by its first frame."""
    made: Made

    def place(self, first: int) -> str:
        """Folder of the part that begins with frame `first`, below the work folder."""
        return f"{first:08d}" if first else ""


@dataclass(frozen=True)
class Plan:
    """Where a film is divided."""

    firsts: tuple[int, ...]
    """First frame of each part; the first is 0."""
    end: Boundary
    notes: tuple[str, ...]
    """What there was to tell of the source."""
    lost: int
    """Frames that damage took."""


@dataclass(frozen=True)
class Begun:
    """Told when the output has been opened and everything that is 'auto' has been settled."""

    settled: dict[str, Any]
    divisible: bool
    """Whether it can be made in parts at all."""
    why: str = ""
    """Why it can't."""
    expected: int | None = None
    """Frames."""


@dataclass(frozen=True)
class Found:
    """Told when the next part is known to begin with this frame."""

    first: int


@dataclass(frozen=True)
class Ended:
    """Told when the film has been looked at to its end."""

    frames: int


@dataclass(frozen=True)
class Part:
    """A part that is made."""

    frames: int
    notes: tuple[str, ...]
    lost: int
    seconds: dict[str, float]
    """By stage."""
    settings: dict[str, Any]
    """As resolved."""


def look(hand: Hand, film: Film, settled: dict[str, Any], done: int) -> Plan | None:
    """Find where the film can be divided, and write it down; None where it can't be made in parts.

    Args:
        settled: what 'auto' became when the output was begun; empty at first.
        done: frames at the beginning that a run before has made: they are not divided.
    """
    scratch = film.folder / LOOK
    with aside.writing(film.folder):
        scratch.mkdir(exist_ok=True)
    work = Work(scratch, film.made, settled=dict(settled), whole=False, frames_folder=film.folder / _FRAMES)
    firsts = [0]
    with Passage(film.source, film.output, film.settings, work, loaded=hand.loaded) as passage:
        divisible = passage.writer.restartable
        why = "" if divisible else f"{film.output.suffix} can't be made in parts with this encoder"
        hand.tell(Begun(work.settled, divisible, why, passage.expected))
        if not divisible:
            return None
        shots = passage.look()
        while True:
            try:
                shot = next(shots)
            except StopIteration as stop:
                end: Boundary = stop.value
                break
            if shot.at.frames <= done or not shot.at.seeks:
                continue
            first = shot.at.frames
            folder = film.folder / film.place(first)
            with aside.writing(folder):
                if read_work(folder, film.made) is None:
                    folder.mkdir(exist_ok=True)
                    part = Work(folder, film.made, settled=work.settled)
                    part.keep(replace(shot.at, notes=()), shot.states)
                    part.write()
            firsts.append(first)
            hand.tell(Found(first))
        plan = Plan(tuple(firsts), end, end.notes, passage.lost)
    write_plan(film, plan)
    hand.tell(Ended(end.frames))
    return plan


def make(hand: Hand, film: Film, first: int, stop: int | None, finish: bool) -> Part:
    """Make the frames from `first` up to `stop`, as far as they aren't there yet.

    Args:
        stop: None for all that there are.
        finish: they are the whole film: the output is finished as well.
    """
    work = read_work(film.folder / film.place(first), film.made)
    if work is None:
        raise OutputError(f"the work folder {film.folder} has gone: is it on a disk that all workers share?")
    work.whole, work.frames_folder = finish, film.folder / _FRAMES
    before = work.frames
    with Passage(film.source, film.output, film.settings, work, loaded=hand.loaded) as passage:
        hand.tell(before - first)
        done = passage.make(None if stop is None else stop - before, lambda done, _: hand.tell(done - first))
    return _part(passage, done)


def join(hand: Hand, film: Film, plan: Plan) -> Part:
    """Make the output of all parts."""
    pieces = []
    settled: dict[str, Any] = {}
    for first in plan.firsts:
        part = read_work(film.folder / film.place(first), film.made)
        assert part is not None, "every part is made"
        pieces += [replace(piece, place=film.place(first)) for piece in part.pieces]
        settled = part.settled
    work = Work(film.folder, film.made, pieces, settled, frames_folder=film.folder / _FRAMES)
    with aside.writing(film.folder):
        work.keep(plan.end, ())
    with Passage(film.source, film.output, film.settings, work, loaded=hand.loaded) as passage:
        passage.make(0)
    return _part(passage, plan.end.frames)


def read_plan(film: Film) -> Plan | None:
    """The plan that was written down, if a look came to its end.

    Raises:
        OutputError: it is damaged.
    """
    try:
        values = json.loads((film.folder / _PLAN).read_text(encoding="utf-8"))
        end = Boundary(**{**values["end"], "notes": tuple(values["end"]["notes"])})
        return Plan(tuple(values["firsts"]), end, tuple(values["notes"]), values["lost"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise OutputError(f"{film.folder} is damaged: begin again without --resume ({exc})") from exc


def write_plan(film: Film, plan: Plan) -> None:
    """Write it down."""
    part = film.folder / f"{_PLAN}.part"
    with aside.writing(film.folder):
        with part.open("w", encoding="utf-8") as file:
            json.dump(asdict(plan), file)
            sync(file)
        part.replace(film.folder / _PLAN)


def done_in(film: Film, first: int) -> int:
    """The frame up to which the part that begins with `first` is made."""
    work = read_work(film.folder / film.place(first), film.made)
    return first if work is None else max(first, work.frames)


def _part(passage: Passage, frames: int) -> Part:
    return Part(frames, tuple(passage.notes), passage.lost, passage.watch.seconds(), resolved(passage))
