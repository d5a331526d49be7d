"""The frame times of a stream, as a value that crosses module borders."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from scenivid.video.reading.skeleton.structure import Structure
from scenivid.video.reading.times.clock import Clock


@dataclass(frozen=True)
class Timeline:
    """Every frame that a stream shows, in presentation order."""

    time_base: Fraction
    """Unit of all times here, in seconds."""
    pts: tuple[int, ...]
    """Strictly increasing, at least one."""
    durations: tuple[int, ...]
    """Lengths in time-base units, one for each of `pts`; 0 where the container doesn't say."""
    keys: tuple[int, ...]
    """Presentation times of all key frames, shown or not, increasing; empty for a counted timeline."""
    open_groups: bool
    """Some frames are decoded after a key frame but shown before it: seeking there would lose them."""
    hidden: int
    """Packets that only serve to decode others: cut by an edit list, or before the first key frame."""
    incomplete: bool
    """The data end before the container says they do."""
    announced: int | None
    """Frames that the container announces, where it announces more than there are."""
    counted: bool = False
    """Whether the times were found by decoding: the frame is known by its number, not by its own time."""
    clock: Clock = Clock()
    """Clock of the file."""
    structure: Structure = Structure()
    """What is known of the file's structure."""
    failures: tuple[int, ...] = ()
    """In a counted timeline: the frame next to come when a packet couldn't be decoded."""
    marked: tuple[int, ...] = ()
    """Times of packets that the demuxer takes for damaged."""
    wild: int = 0
    """Frames whose packets' times make no sense: others were made for them."""
    announced_end: Fraction | None = None
    """Seconds from the first frame to the end of the last, where the header says."""

    def __len__(self) -> int:
        return len(self.pts)

    def seconds(self, index: int) -> Fraction:
        """When frame `index` begins, after the first; `len(self)` gives the end of the last."""
        if index < len(self.pts):
            return (self.pts[index] - self.pts[0]) * self.time_base
        return (self.pts[-1] - self.pts[0] + self.durations[-1]) * self.time_base

    def window(self, start: Fraction | None, duration: Fraction | None) -> range:
        """Indices of the frames that begin in [start, start + duration), seconds after the first."""
        first, last = 0, len(self.pts)
        begin = start or Fraction(0)
        if start is not None:
            first = bisect_left(self.pts, self.pts[0] + ceil(begin / self.time_base))
        if duration is not None:
            last = bisect_left(self.pts, self.pts[0] + ceil((begin + duration) / self.time_base))
        return range(first, max(first, last))

    def keys_before(self, pts: int) -> tuple[int, ...]:
        """Key frames at or before `pts`, increasing."""
        return self.keys[: bisect_right(self.keys, pts)]


def milliseconds(seconds: Fraction) -> str:
    """Seconds with three decimals, rounded down, so that `--duration` leaves the frame there out."""
    return f"{floor(seconds * 1000) / 1000:.3f}"
