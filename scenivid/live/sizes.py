"""At which size a stream is painted: the largest that reaches a rate, found by measuring."""

from __future__ import annotations

from collections import deque

SIDES = (1080, 720, 540, 480, 432, 360, 320, 288, 240, 216, 180, 144, 120, 96)
"""Shorter sides, in pixels."""
FIRST = 216
"""Where to begin, before anything was measured."""
_ROOM = 0.85
"""Share of a frame's time that may be used by what was measured: the rest is for what else comes."""
_LOOKED_AT = 8
"""Frames whose median counts."""
_PATIENCE_S = 4.0
"""How long a smaller size must have been quick before a larger one is tried."""
_AGAIN_S = 60.0
"""How long what was too slow isn't tried again: the machine may have been busy. Each time twice as long."""


class Sizes:
    """Chooses a shorter side, larger or smaller as the time of frames tells."""

    def __init__(self, rate_hz: float, largest: int, fixed: int | None = None) -> None:
        """
        Args:
            rate_hz: frames a second that are wanted.
            largest: shorter side of the source, in pixels.
            fixed: a shorter side to stay at.
        """
        self._budget_s = 1 / rate_hz
        self._known = sorted({side for side in SIDES if side < largest} | {largest})
        self._fixed = fixed is not None
        self.side = min(fixed or FIRST, largest)
        """The one in use, in pixels."""
        self._times: deque[float] = deque(maxlen=_LOOKED_AT)
        self._measured = False
        self._largest = self._too_large = largest + 1
        self._quick_s = self._calm_s = 0.0
        self._again_s = _AGAIN_S

    def see(self, seconds: float) -> bool:
        """Take note of the time that a frame took; True if `side` has changed."""
        self._times.append(seconds)
        enough = _LOOKED_AT if self._measured else _LOOKED_AT // 2
        if self._fixed or len(self._times) < enough:
            return False
        typical = sorted(self._times)[len(self._times) // 2]
        wanted = self._suggested(typical)
        if wanted < self.side and typical > self._budget_s:
            self._too_large, self._calm_s = min(self._too_large, self.side), 0.0
            return self._change(wanted)
        self._calm_s += max(seconds, self._budget_s)
        if self._calm_s > self._again_s and self._too_large < self._largest:
            self._too_large, self._calm_s, self._again_s = self._largest, 0.0, 2 * self._again_s
        if wanted > self.side:
            self._quick_s += max(seconds, self._budget_s)
            if not self._measured or self._quick_s > _PATIENCE_S:
                return self._change(wanted)
        else:
            self._quick_s = 0.0
        self._measured = True
        return False

    def _suggested(self, seconds: float) -> int:
        """The largest side that should fit, as time grows with the pixels; none that was too slow before."""
        fits = self.side * (_ROOM * self._budget_s / max(seconds, 1e-6)) ** 0.5
        sides = [side for side in self._known if side <= fits and side < self._too_large]
        return sides[-1] if sides else self._known[0]

    def _change(self, side: int) -> bool:
        changed, self.side = side != self.side, side
        self._times.clear()
        self._quick_s, self._measured = 0.0, True
        return changed
