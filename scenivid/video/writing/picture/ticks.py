"""Frame times counted in the unit of the output."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any


class Ticks:
    """Turns each frame's time into ticks, and knows how long each frame is shown.

    A frame is shown until the next one begins; the last one for as long as the source says, or else
    as long as the one before it.
    """

    def __init__(
        self, unit: Fraction, stored: Fraction | None, origin: Fraction | None, rate_hz: Fraction
    ) -> None:
        """
        Args:
            unit: seconds a tick.
            stored: seconds a tick of the container, where it can't count in `unit`.
            origin: time in seconds that the first frame gets; None leaves all times as they are.
            rate_hz: for the length of a single frame about which nothing is known.
        """
        self.exact = True
        """Whether the container can store every time so far as it is."""
        self.first: Fraction | None = None
        """Time of the first frame in the source, in seconds."""
        self.count = 0
        """Frames so far."""
        self.shift = Fraction(0)
        """Seconds that are taken off every time."""
        self._unit, self._stored, self._origin = unit, stored or unit, origin
        self._start = self._last = 0
        self._last_length = max(1, round(1 / (rate_hz * unit)) if rate_hz > 0 else 1)
        self._lengths: dict[int, int] = {}

    def add(self, pts: Fraction, duration: Fraction | None) -> int:
        """The tick of the next frame, which begins at `pts` seconds; ticks always grow."""
        if self.first is None:
            self.first = pts
            self.shift = Fraction(0) if self._origin is None else pts - self._origin
        time = pts - self.shift
        tick = round(time / self._unit)
        if self.count == 0:
            self._start = tick
        else:
            tick = max(tick, self._last + 1)
            self._last_length = tick - self._last
            if self._last in self._lengths:
                self._lengths[self._last] = self._last_length
        self.exact = self.exact and (time / self._stored).denominator == 1 and tick * self._unit == time
        if duration is not None and duration > 0:
            self._last_length = max(1, round(duration / self._unit))
        self.count += 1
        self._last = tick
        self._lengths[tick] = self._last_length
        return tick

    def take_length(self, tick: int) -> int:
        """How many ticks the frame at `tick` is shown; asked once, after the next frame was added."""
        return self._lengths.pop(tick, self._last_length)

    def state(self) -> dict[str, Any]:
        """How far it is, as plain values."""
        return {
            "exact": self.exact,
            "first": None if self.first is None else str(self.first),
            "count": self.count,
            "shift": str(self.shift),
            "places": [self._start, self._last, self._last_length],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.exact, self.count, self.shift = state["exact"], state["count"], Fraction(state["shift"])
        self.first = None if state["first"] is None else Fraction(state["first"])
        self._start, self._last, self._last_length = state["places"]

    @property
    def last_length(self) -> int:
        """Ticks that the last frame so far is shown."""
        return self._last_length

    @property
    def total(self) -> int:
        """Ticks from the first frame to the end of the last one."""
        return self._last + self._last_length - self._start
