"""Which part of the source is written, and how its times map to those of the output."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.packet import Packet


@dataclass(frozen=True)
class Window:
    """A part of the source, in seconds of its clock."""

    begin: Fraction | None
    """First moment, in seconds; None for the beginning."""
    end: Fraction | None
    """Last moment, in seconds; None for the end."""
    shift: Fraction
    """Taken off every time."""

    def holds(self, packet: Packet[Any]) -> bool:
        """Whether the packet starts in here; a subtitle that reaches into it is shortened to do so."""
        assert packet.pts is not None
        time = packet.pts * packet.time_base
        if self.end is not None and time >= self.end:
            return False
        if self.begin is None or time >= self.begin:
            return True
        length = (packet.duration or 0) * packet.time_base
        if packet.stream.type != "subtitle" or time + length <= self.begin:
            return False
        first = round(self.begin / packet.time_base)
        packet.duration = max(1, (packet.duration or 0) - (first - packet.pts))
        packet.pts = packet.dts = first
        return True
