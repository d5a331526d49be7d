"""How far a run is: one model for the bar of a terminal, for lines in a log, and for front ends.

meter = Meter(show, unit="frames", files=3)
tell = meter.begin("clip.mp4", file=2)     # as `stylize` wants it: (done, expected or None)
tell(8, 240)                               # calls show(State(...))
meter.end()
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

_WINDOW_S = 15.0
"""The rate is that of so many seconds: long enough to be calm, short enough to notice a change."""


@dataclass(frozen=True)
class State:
    """How far a run is, of the file at hand and of everything."""

    name: str
    """What is worked at: a file, a training program."""
    unit: str
    """What is counted: "frames", "steps", …"""
    done: int
    total: int | None
    """Units expected; None where nobody knows."""
    rate: float | None
    """Units a second, lately; None at the beginning."""
    eta_seconds: float | None
    """What is left of the file at hand."""
    seconds: float
    """Since the file at hand began."""
    file: int = 1
    """Which of the files, from 1."""
    files: int = 1
    whole_eta_seconds: float | None = None
    """What is left of all files, if those to come take as long as those before."""
    finished: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded for people's eyes."""
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }

    def line(self) -> str:
        """For a log: `[2/3] clip.mp4: 120 of 240 frames, 8.0 frames/s, 0:15 left, 1:02 in all`."""
        place = f"[{self.file}/{self.files}] " if self.files > 1 else ""
        total = f" of {self.total}" if self.total is not None else ""
        parts = [f"{place}{self.name}: {self.done}{total} {self.unit}"]
        if self.rate is not None:
            parts.append(f"{self.rate:.{1 if self.rate >= 1 else 3}f} {self.unit}/s")
        if self.finished:
            parts.append(f"done in {_clock(self.seconds)}")
        elif self.eta_seconds is not None:
            parts.append(f"{_clock(self.eta_seconds)} left")
            if self.files > 1 and self.whole_eta_seconds is not None:
                parts.append(f"{_clock(self.whole_eta_seconds)} in all")
        return ", ".join(parts)


Show = Callable[[State], None]


class Meter:
    """Makes a `State` of every (done, expected) that it is told, and shows it."""

    def __init__(
        self, show: Show, unit: str = "frames", files: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._show, self._unit, self._files, self._clock = show, unit, files, clock
        self._last: State | None = None
        self._before = 0
        self._took: list[float] = []
        """Seconds of each finished file."""

    def begin(self, name: str, file: int = 1, done: int = 0) -> Callable[[int, int | None], None]:
        """Start counting a file; what is returned takes (done, expected or None).

        Args:
            done: what was done before, by a run that this one resumes.
        """
        self.end()
        self._before = done
        began = self._clock()
        times = deque([(began, done)])

        def tell(done: int, expected: int | None) -> None:
            now = self._clock()
            times.append((now, done))
            while len(times) > 2 and times[1][0] <= now - _WINDOW_S:
                times.popleft()
            (before, had), seconds = times[0], now - began
            rate = (done - had) / (now - before) if now > before and done > had else None
            eta = max(0, expected - done) / rate if rate and expected is not None else None
            whole = None
            if eta is not None:
                mean = sum(self._took) / len(self._took) if self._took else seconds + eta
                whole = eta + mean * (self._files - file)
            state = State(name, self._unit, done, expected, rate, eta, seconds, file, self._files, whole)
            self._last = state
            self._show(state)

        return tell

    def end(self) -> None:
        """The file at hand is finished; without one, nothing happens."""
        last, self._last = self._last, None
        if last is None:
            return
        self._took.append(last.seconds)
        rate = (last.done - self._before) / last.seconds if last.seconds > 0 else None
        values = asdict(last) | {"rate": rate, "eta_seconds": 0.0, "finished": True}
        if last.file == last.files:
            values["whole_eta_seconds"] = 0.0
        self._show(State(**values))

    def drop(self) -> None:
        """The file at hand has failed: it doesn't count, and nothing is shown."""
        self._last = None


class Crowd:
    """A `Meter` for files that are worked at side by side; may be called from any thread."""

    def __init__(
        self, show: Show, unit: str = "frames", files: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._show, self._unit, self._files, self._clock = show, unit, files, clock
        self._lock = threading.Lock()
        self._began = clock()
        self._times = deque([(self._began, 0)])
        self._at: dict[str, tuple[int, int | None, float]] = {}
        """Done, expected and beginning of each file at hand."""
        self._over: list[int] = []
        """Frames of each finished file."""

    def begin(self, name: str) -> Callable[[int, int | None], None]:
        """Start counting a file; what is returned takes (done, expected or None)."""
        with self._lock:
            self._at[name] = (0, None, self._clock())

        def tell(done: int, expected: int | None) -> None:
            with self._lock:
                if name in self._at:
                    self._at[name] = (done, expected, self._at[name][2])
                    self._show(self._state())

        return tell

    def end(self, name: str, failed: bool = False) -> None:
        """A file is finished, or has failed; one that was never begun is passed over."""
        with self._lock:
            done, _, began = self._at.pop(name, (0, None, None))
            self._over.append(done)
            if began is None or failed:
                return
            seconds = self._clock() - began
            rate = done / seconds if seconds > 0 else None
            number = len(self._over)
            self._show(
                State(name, self._unit, done, done, rate, 0.0, seconds, number, self._files, finished=True)
            )

    def _state(self) -> State:
        now = self._clock()
        done, known = sum(done for done, _, _ in self._at.values()), [of for _, of, _ in self._at.values()]
        total = None if None in known else sum(of for of in known if of is not None)
        made = done + sum(self._over)
        self._times.append((now, made))
        while len(self._times) > 2 and self._times[1][0] <= now - _WINDOW_S:
            self._times.popleft()
        (before, had) = self._times[0]
        rate = (made - had) / (now - before) if now > before and made > had else None
        eta = whole = None
        if rate and total is not None:
            eta = max(0, total - done) / rate
            begun = len(self._at) + len(self._over)
            whole = eta + (self._files - begun) * (total + sum(self._over)) / begun / rate
        names = list(self._at)
        name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        number = min(self._files, len(self._over) + 1)
        return State(name, self._unit, done, total, rate, eta, now - self._began, number, self._files, whole)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
