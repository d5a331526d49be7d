"""What a run of learning knows of itself: how long it has trained, and its best so far."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from scenivid.nets.lite import Lite


class Clock:
    """Seconds that were trained, over every resume."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._last: float | None = None

    def tick(self) -> float:
        """Count the time since the last tick; a pause in between (another process) doesn't count."""
        now = time.monotonic()
        self.spent += 0.0 if self._last is None else now - self._last
        self._last = now
        return self.spent

    def state_dict(self) -> dict[str, float]:
        return {"spent": self.spent}

    def load_state_dict(self, state: Mapping[str, float], /) -> None:
        self.spent, self._last = state["spent"], None


class Best:
    """The best weights so far, and how good they are."""

    def __init__(self, net: Lite) -> None:
        self.net, self.score = net, float("inf")

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "score": self.score}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        self.net.load_state_dict(state["net"])
        self.score = state["score"]
