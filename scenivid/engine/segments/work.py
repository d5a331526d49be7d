"""The work folder of an output: what a run has finished so far, and the journal that says how to go on.

    .out.mp4.work/journal.json       what is made from what and how, what 'auto' became, the finished pieces
                  000000.data …      encoded picture (`writing.picture.pieces`); or frames/, for a folder
                  00000250.states    what the stages remember after so many frames (`states`)

It lies beside the output and goes when the output is complete. A run that is told to stop leaves it only with
`keep`; a run that is killed leaves it in any case.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from scenivid.engine.made import Made
from scenivid.engine.segments.states import load_states, save_states
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.shots import Pieces, States
from scenivid.errors import ConfigError, OutputError
from scenivid.machine import aside, locks
from scenivid.video.writing.picture.pieces import Piece, WorkPlace, sync

_SECONDS = 10
"""About how long a piece is at most: what is lost at most, and what an encoder needs to do its best."""
_FEWEST, _MOST = 48, 600
_PINNED = ("device", "flow", "engine", "precision", "tile")
_JOURNAL = "journal.json"
_VERSION = 3


@dataclass(frozen=True)
class Boundary:
    """A place between two frames where a run can be taken up."""

    frames: int
    """How many come before it."""
    last: str
    """Time of the last of them in the source, in seconds, as a fraction."""
    mark: int
    """Of that frame as it is decoded; see `shots.mark_of`."""
    seeks: bool
    """Whether a reader may begin there."""
    ticks: Mapping[str, Any]
    """See `WorkPlace.ticks`."""
    notes: tuple[str, ...] = ()
    """What was told of the frames before it."""


@dataclass
class Work:
    """One run's work folder. Pieces are added as they are finished; each then survives whatever happens."""

    folder: Path
    made: Made
    pieces: list[Piece] = field(default_factory=list)
    settled: dict[str, Any] = field(default_factory=dict)
    """What 'auto' became when the output was begun."""
    at: Boundary | None = None
    """Where the last piece ends, or where the first shall begin; None for the beginning of the source."""
    whole: bool = True
    """Whether the pieces are to become the output here; else only they are made."""
    frames_folder: Path | None = None
    """See `WorkPlace`."""
    begun: bool = False
    """Whether there is something to keep besides the pieces."""

    @property
    def frames(self) -> int:
        """How many frames come before those still to be done."""
        return 0 if self.at is None else self.at.frames

    @property
    def place(self) -> WorkPlace:
        """For the writer."""
        ticks = None if self.at is None else self.at.ticks
        return WorkPlace(self.folder, tuple(self.pieces), self.frames, ticks, self.frames_folder, self.whole)

    def pinned(self, settings: StylizeSettings) -> StylizeSettings:
        """The settings, with 'auto' as what it became when the output was begun."""
        known = {name: self.settled[name] for name in _PINNED if name in self.settled}
        for name in ("engine", "precision"):
            if known.get(name) == "own":  # of a stylizer of the caller's, say: none that could be asked for
                del known[name]
        return replace(settings, **{name: value for name, value in known.items() if _is_auto(settings, name)})

    def settle(self, settled: Mapping[str, Any]) -> None:
        """Note what 'auto' became, or make sure that it is the same as when the output was begun.

        Raises:
            ConfigError: it isn't; the message says what differs.
        """
        if not self.settled:
            self.settled = dict(settled)
            return
        names = sorted(self.settled.keys() | settled.keys())
        changed = [
            f"{name} was {self.settled.get(name)}, is {settled.get(name)}"
            for name in names
            if self.settled.get(name) != settled.get(name)
        ]
        if changed:
            raise _other(changed)

    def states(self) -> States:
        """What the stages remember where the run is taken up.

        Raises:
            CheckpointError: the file is damaged.
        """
        states: States = () if self.at is None else load_states(self._states(self.frames))
        return states

    def add(self, piece: Piece, at: Boundary, states: States) -> None:
        """A piece is finished; it ends there, and this is what the stages then remember.

        Raises:
            OutputError: the disk is full, or the like.
        """
        with aside.writing(self.folder):
            before = self.frames
            self.keep(at, states)
            self.pieces.append(piece)
            self.write()
            if before:  # only the last are ever needed
                self._states(before).unlink(missing_ok=True)

    def keep(self, at: Boundary, states: States) -> None:
        """Let the next piece begin there."""
        self.at = at
        path = self._states(at.frames)
        save_states(states, path)
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def _states(self, frames: int) -> Path:
        return self.folder / f"{frames:08d}.states"

    def write(self) -> None:
        """Write the journal."""
        values = {
            "version": _VERSION,
            "made": vars(self.made),
            "settled": self.settled,
            "pieces": [asdict(piece) for piece in self.pieces],
            "at": None if self.at is None else asdict(self.at),
        }
        part = self.folder / f"{_JOURNAL}.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(values, file)
            sync(file)
        part.replace(self.folder / _JOURNAL)


def _is_auto(settings: StylizeSettings, name: str) -> bool:
    return getattr(settings, name, None) == "auto"


def piece_lengths(rate_hz: Fraction) -> Pieces:
    """How long pieces are: it must not depend on anything but the source."""
    most = max(_FEWEST, min(_MOST, round(_SECONDS * rate_hz)))
    return Pieces(most, max(_FEWEST, most // 4))


@contextlib.contextmanager
def open_work(target: Path, made: Made, resume: bool) -> Iterator[Work]:
    """The work folder of `target`, held against other runs; it is removed at the end.

    Args:
        target: where the result goes, as `aside.check` says.
        made: what the result is made from, and how.
        resume: go on with what another run has left there; and leave it there if this one is stopped.

    Raises:
        ConfigError: with `resume`, what is there is made from something else, or otherwise; nothing is lost.
        OutputError: another run is at it, or the system refuses.
    """
    folder = work_folder(target)
    with contextlib.ExitStack() as stack:
        with aside.writing(target):
            if not stack.enter_context(locks.hold(folder.with_suffix(".lock"))):
                raise OutputError(f"another run is writing {target}: wait for it, or choose another name")
            work = read_work(folder, made) if resume else None
            if work is None:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                work = Work(folder, made)
            for part in folder.glob(".*.part"):
                part.unlink()
            if not resume:
                aside.adopt(folder)
        keep = False
        try:
            yield work
        except BaseException:
            keep = resume and (bool(work.pieces) or work.begun)
            raise
        finally:
            if not keep:
                aside.discard(folder)


def work_folder(target: Path) -> Path:
    """Where the work on `target` lies."""
    name = os.fsencode(target.name)[:200].decode(errors="ignore")  # names end at 255 bytes
    return target.with_name(f".{name}.work")


def read_work(folder: Path, made: Made) -> Work | None:
    """The work that is in `folder`, or None where there is none.

    Raises:
        ConfigError: it is made from something else, or otherwise.
        OutputError: it is damaged.
    """
    try:
        values = json.loads((folder / _JOURNAL).read_text(encoding="utf-8"))
        if values["version"] != _VERSION:
            raise _other([f"the output was begun by another version of scenivid ({values['version']})"])
        before = Made(**values["made"])
        pieces = [Piece(**piece) for piece in values["pieces"]]
        settled = dict(values["settled"])
        at = Boundary(**values["at"]) if values["at"] else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise OutputError(f"{folder} is damaged: begin again without --resume ({exc})") from exc
    changed = before.differences(made)
    if changed:
        raise _other(changed)
    return Work(folder, made, pieces, settled, at)


def _other(changed: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"this can't be resumed: {'; '.join(changed)}; "
        "restore that, or begin again without --resume (what is there is then removed)"
    )
