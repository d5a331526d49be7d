"""The shots and pieces of a run, found frame by frame: the same whoever makes which part of the film.

The output is encoded in pieces. One ends after so many frames, or earlier, once it is long enough, where a
shot ends: nothing is remembered across a cut, and an encoder begins anew there anyway. So what comes after a
piece that ends at a cut doesn't depend on what came before, but for the few pictures that tell cuts apart.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from scenivid.pixels import Clip, StoredClip
from scenivid.temporal.cuts import CutDetector, Image, thumbnail

State = Mapping[str, NDArray[Any]]
States = tuple[tuple[str, object], ...]
"""What stages remember, by their names."""
NAME = "shots"
"""Stands for a run's `Shots` in `States`."""
_ROWS = 8


@dataclass(frozen=True)
class Pieces:
    """How long pieces are, in frames."""

    most: int
    """A piece ends after so many frames at the latest."""
    least: int = 0
    """It ends at a cut if it has so many frames; 0 for never."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of one frame."""

    cut: bool
    """It begins a shot."""
    begins: bool
    """It begins a piece."""
    full: bool
    """Its piece has all the frames that a piece may have: the next frame begins another."""
    before: State | None = None
    """`Shots.state` before this frame, if a piece begins with it and nothing else is remembered there."""


@dataclass(frozen=True, eq=False)
class Edges:
    """What a part of the film on its way through the stages tells about the pieces around it."""

    mark: int = 0
    """Of the source's last frame; see `mark_of`."""
    begins: bool = False
    """A piece begins with its first frame."""
    before: States = ()
    """All there is to remember before it, if that is the shots alone; else empty, as at the beginning."""
    ends: bool = False
    """A piece ends with its last frame because it is full: every stage adds to `after`."""
    after: States = ()
    """What the stages remember after it."""

    def told(self, name: str, state: Callable[[], object]) -> Edges:
        """With what the stage `name` remembers, if that is wanted."""
        return replace(self, after=(*self.after, (name, state()))) if self.ends else self


class Shots:
    """Says of each frame in order whether a shot, and whether a piece, begins with it."""

    def __init__(self, pieces: Pieces | None = None) -> None:
        """`pieces`: None for one that never ends."""
        self._pieces, self._count = pieces, 0
        self._cuts = CutDetector()

    def see(self, picture: Clip) -> Seen:
        """The next frame, as the cut detector wants it."""
        return self.look(thumbnail(picture.pixels))

    def look(self, small: Image) -> Seen:
        """The next frame, small as `CutDetector.is_cut` wants it."""
        long_enough = self._pieces is not None and self._count >= (self._pieces.least or self._pieces.most)
        before = self._cuts.state() if long_enough else None
        return self._seen(self._cuts.is_cut(small), before)

    def pass_by(self) -> Seen:
        """The next frame of a film whose shots make no difference."""
        return self._seen(True, {}, False)

    def state(self) -> State:
        """What is remembered at the beginning of a piece."""
        return self._cuts.state()

    def restore(self, state: State) -> None:
        """Begin a piece with what `state` returned."""
        self._cuts.restore(state)
        self._count = 0

    def edges(self, mark: int, seen: Seen) -> Edges:
        """Of a part that is one frame, just seen."""
        before = ((NAME, seen.before),) if seen.before is not None else ()
        return Edges(mark, seen.begins, before, seen.full, ((NAME, self.state()),) if seen.full else ())

    def _seen(self, afresh: bool, before: State | None, may_end: bool = True) -> Seen:
        pieces = self._pieces
        if pieces is None:
            return Seen(afresh, False, False)
        begins = self._count >= pieces.most or (afresh and may_end and 0 < pieces.least <= self._count)
        self._count = 1 if begins else self._count + 1
        return Seen(afresh, begins, self._count == pieces.most, before if begins and afresh else None)


def mark_of(clip: Clip | StoredClip) -> int:
    """A number that tells the last frame of `clip` from others: some rows tell bad decoding."""
    plane = clip.luma[-1] if isinstance(clip, StoredClip) else clip.pixels[-1, 1].numpy()
    return zlib.crc32(plane[::_ROWS].tobytes())
