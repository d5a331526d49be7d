"""Exact frame times of a stream, read from its packets without decoding."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from scenivid.errors import InputError


@dataclass(frozen=True)
class Timeline:
    """Every frame of a stream, in presentation order."""

    time_base: Fraction
    """Unit of all times here, in seconds."""
    pts: tuple[int, ...]
    """Strictly increasing."""
    durations: tuple[int, ...]
    """As long as `pts`; 0 where the container doesn't say."""
    keys: tuple[int, ...]
    """Presentation times of the key frames, increasing."""
    discarded: int
    """Packets that are decoded but not shown (edit lists)."""

    def __len__(self) -> int:
        return len(self.pts)

    def window(self, start: Fraction | None, duration: Fraction | None) -> range:
        """Indices of the frames that begin in [start, start + duration), seconds after the first."""
        origin = self.pts[0]
        first, last = 0, len(self.pts)
        if start is not None:
            first = bisect_left(self.pts, origin + start / self.time_base)
        if duration is not None:
            end = (start or Fraction(0)) + duration
            last = bisect_left(self.pts, origin + end / self.time_base)
        return range(first, max(first, last))

    def key_before(self, pts: int) -> int | None:
        """The last key frame at or before `pts`."""
        index = bisect_right(self.keys, pts)
        return self.keys[index - 1] if index else None


def read_timeline(container: InputContainer, stream: VideoStream, path: Path) -> Timeline | None:
    """Read all packets of `stream`; None where they carry no usable times.

    Raises:
        InputError: the data end before the container says they do, or can't be read.
    """
    found: list[tuple[int, int, bool]] = []
    discarded = 0
    broken = False
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.is_discard:
                discarded += 1
                continue
            if packet.pts is None:
                return None
            broken = broken or packet.is_corrupt
            found.append((packet.pts, packet.duration or 0, packet.is_keyframe))
    except (av.FFmpegError, OSError) as exc:
        raise InputError(f"{path}: can't be read beyond packet {len(found)} ({exc.strerror})") from exc
    if not found:
        return None
    found.sort()
    pts = tuple(time for time, _, _ in found)
    if any(one == other for one, other in itertools.pairwise(pts)):
        return None
    return Timeline(
        time_base=stream.time_base or Fraction(1, 1_000_000),
        pts=pts,
        durations=tuple(length for _, length, _ in found),
        keys=tuple(time for time, _, key in found if key),
        discarded=discarded,
    )
