"""The clock of a stream that starts again in the middle, as in transport streams joined end to end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet

_RESTARTING = {"mpegts", "mpeg"}
"""Containers whose clock may start again: those made for broadcasting and discs."""
_BACK, _AHEAD = Fraction(1, 10), Fraction(10)
"""Seconds by which a decoding time must go back or ahead to count as another clock (FFmpeg's values)."""
_NEAR = Fraction(2)
"""Seconds within which tracks of one clock lie at a join."""


@dataclass(frozen=True)
class Break:
    """A place where the clock changes."""

    position: int
    """First byte of the first packet that follows the new clock."""
    offset: Fraction
    """Seconds to add to its times, so that the video goes on where it was."""


@dataclass(frozen=True)
class Clock:
    """Turns the times of a file's packets into one continuous time."""

    breaks: tuple[Break, ...] = ()
    """Jumps of the clock by position; empty for nearly every file."""

    def offset_at(self, position: int | None) -> Fraction:
        """Seconds to add to the times of what lies at `position`."""
        if not self.breaks or position is None:
            return Fraction(0)
        index = bisect_right([known.position for known in self.breaks], position)
        return self.breaks[index - 1].offset if index else Fraction(0)

    def near_break(self, position: int | None, reach: int) -> bool:
        """Whether `position` lies within `reach` bytes of a change."""
        return position is not None and any(abs(known.position - position) <= reach for known in self.breaks)


def may_restart(container: InputContainer) -> bool:
    """Whether this kind of container can hold more than one clock."""
    return container.format.name in _RESTARTING


def read_clock(packets: Iterable[Packet[Any]], video_index: int) -> Clock:
    """Find the changes of clock among all packets of a file.

    Args:
        packets: of all audio and video tracks, in the order of the file, times as stored.
        video_index: the track that must go on evenly.
    """
    breaks: list[Break] = []
    offset = Fraction(0)
    due: dict[int, Fraction] = {}  # when the next packet of each track is expected, by its own clock
    strayed: dict[int, tuple[int, Fraction]] = {}  # position and time of tracks that jumped before the video
    for packet in packets:
        if packet.dts is None or not packet.size:
            continue
        time = packet.dts * packet.time_base
        index = packet.stream_index
        expected = due.get(index)
        length = (packet.duration or 0) * packet.time_base
        if expected is not None and _another_clock(time, expected):
            if index != video_index:
                strayed.setdefault(index, (packet.pos or 0, time))
            else:
                offset += expected - time
                near = [at for at, when in strayed.values() if abs(when - time) <= _NEAR]
                position = min([packet.pos or 0, *near])
                breaks.append(Break(position, offset))
                strayed = {}
                due = {}
        due[index] = time + length
    return Clock(tuple(breaks))


def continuous(packets: Iterator[Packet[Any]], clock: Clock) -> Iterator[Packet[Any]]:
    """The packets, their times moved so that they go on where the clock starts again.

    Args:
        packets: of any tracks, in the order of the file.
        clock: of that file.
    """
    if not clock.breaks:
        yield from packets
        return
    position: dict[int, int] = {}  # several packets may come out of one place: only the first tells it
    for packet in packets:
        if packet.pos is not None and packet.pos >= 0:
            position[packet.stream_index] = packet.pos
        offset = clock.offset_at(position.get(packet.stream_index))
        if offset:
            ticks = round(offset / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        yield packet


def clock_of(container: InputContainer, video_index: int) -> Clock:
    """Read all packets of `container`, if its clock may start again; it then stands at its end."""
    if not may_restart(container):
        return Clock()
    streams = [*container.streams.video, *container.streams.audio]
    try:
        return read_clock(container.demux(streams), video_index)
    except (av.FFmpegError, OSError):
        return Clock()  # whoever reads the frames will say what is wrong


def _another_clock(time: Fraction, expected: Fraction) -> bool:
    return time < expected - _BACK or time > expected + _AHEAD
