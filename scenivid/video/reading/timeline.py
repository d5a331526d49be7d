"""Exact frame times of a stream, read from its packets without decoding."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from scenivid.errors import InputError


@dataclass(frozen=True)
class Timeline:
    """Every frame that a stream shows, in presentation order."""

    time_base: Fraction
    """Unit of all times here, in seconds."""
    pts: tuple[int, ...]
    """Strictly increasing, at least one."""
    durations: tuple[int, ...]
    """As long as `pts`; 0 where the container doesn't say."""
    keys: tuple[int, ...]
    """Presentation times of all key frames, shown or not, increasing."""
    open_groups: bool
    """Some frames are decoded after a key frame but shown before it: seeking there would lose them."""
    hidden: int
    """Packets that only serve to decode others: cut by an edit list, or before the first key frame."""
    incomplete: bool
    """The data end before the container says they do."""
    announced: int | None
    """Frames that an incomplete container announces, where it says."""

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


def read_timeline(container: InputContainer, stream: VideoStream, path: Path) -> Timeline | None:
    """Read all packets of `stream`; None where they carry no usable times.

    Raises:
        InputError: the data can't be read.
    """
    shown: list[tuple[int, int]] = []
    keys: list[int] = []
    packets = hidden = 0
    cut = open_groups = False
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None:
                return None
            packets += 1
            cut = packet.is_corrupt  # of the last one: its data stop short
            if packet.is_keyframe:
                keys.append(packet.pts)
            open_groups = open_groups or (bool(keys) and packet.pts < keys[-1])
            if packet.is_discard:
                hidden += 1
            else:
                shown.append((packet.pts, packet.duration or 0))
    except (av.FFmpegError, OSError) as exc:
        raise InputError(f"{path}: can't be read beyond packet {packets} ({exc.strerror})") from exc
    if cut and shown:
        shown.pop()
    # The index of an MP4 or AVI is known before the data are read.
    entries = len(stream.index_entries)
    incomplete = cut or entries > packets or _ends_early(path)
    announced = entries - hidden if entries > packets else None
    if keys:  # a recording cut inside a group of pictures: nothing before its first key frame decodes
        usable = [item for item in shown if item[0] >= keys[0]]
        hidden += len(shown) - len(usable)
        shown = usable
    if not shown:
        return None
    shown.sort()
    if any(one[0] == other[0] for one, other in itertools.pairwise(shown)):
        return None
    return Timeline(
        time_base=stream.time_base or Fraction(1, 1_000_000),
        pts=tuple(time for time, _ in shown),
        durations=tuple(length for _, length in shown),
        keys=tuple(sorted(keys)),
        open_groups=open_groups,
        hidden=hidden,
        incomplete=incomplete,
        announced=announced,
    )


def _ends_early(path: Path) -> bool:
    """Whether a Matroska or RIFF file is shorter than its header says."""
    with path.open("rb") as file:
        head = file.read(128)
    length = path.stat().st_size
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little") > length
    at = head.find(b"\x18\x53\x80\x67")  # EBML id of the segment; then a length of 1 to 8 bytes
    if head[:4] != b"\x1a\x45\xdf\xa3" or at < 0 or len(head) < at + 12:
        return False
    width = 9 - head[at + 4].bit_length()
    field = int.from_bytes(head[at + 4 : at + 4 + width], "big") & ((1 << 7 * width) - 1)
    unknown = (1 << 7 * width) - 1
    return field != unknown and at + 4 + width + field > length
