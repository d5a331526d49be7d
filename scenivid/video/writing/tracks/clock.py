"""Sources whose clock starts again in the middle, as joined transport streams do."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.packet import Packet

_BACK = Fraction(1, 10)
"""Seconds by which decoding times may run backwards without being a new start."""
RESTARTING = ("mpegts", "mpeg")
"""Containers of FFmpeg that may be joined byte by byte."""


class Clock:
    """Makes decoding times run on where they start again.

    The first track that starts again says how far all are moved: what was in step stays so.
    """

    def __init__(self) -> None:
        self._moved: list[Fraction] = [Fraction(0)]
        """Seconds added after each new start."""
        self._starts: dict[int, int] = {}
        """New starts that each track has passed."""
        self._next: dict[int, Fraction] = {}
        """When the next packet of each track is due, in seconds of the clock that runs on."""
        self._last: dict[int, Fraction] = {}

    def __call__(self, packet: Packet[Any]) -> None:
        """Move the packet's times."""
        assert packet.dts is not None
        index, unit = packet.stream.index, packet.time_base
        time = packet.dts * unit
        starts = self._starts.get(index, 0)
        if index in self._last and time + _BACK < self._last[index]:
            starts += 1
            self._starts[index] = starts
            if starts == len(self._moved):
                self._moved.append(self._next[index] - time)
        self._last[index] = time
        self._next[index] = time + self._moved[starts] + (packet.duration or 0) * unit
        ticks = round(self._moved[starts] / unit)
        packet.dts += ticks
        if packet.pts is not None:
            packet.pts += ticks
