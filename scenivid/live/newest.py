"""The newest frame of a stream: whoever is slow misses frames, and never falls behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from scenivid.live.sources import Shot

_LATE_S = 0.1


@dataclass(frozen=True, eq=False)
class Arrived:
    """A frame, and when it came."""

    pixels: npt.NDArray[Any]
    """RGB, uint8, [H, W, 3]."""
    at: float
    """When it was due, in seconds of `time.monotonic`."""


class Newest:
    """Reads a stream in a thread of its own, in its own time, and keeps one frame. Use it in `with`."""

    def __init__(self, opened: Callable[[], Generator[Shot, None, None]], *, loop: bool = False) -> None:
        """
        Args:
            opened: opens the stream.
            loop: open it again at its end.
        """
        self.dropped = 0
        """Frames that nobody took in time."""
        self._opened, self._loop = opened, loop
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self._held: Arrived | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="scenivid-newest", daemon=True)

    def take(self, patience_s: float | None = None) -> Arrived | None:
        """The newest frame that wasn't taken yet, waited for; None at the end of the stream.

        Raises:
            TimeoutError: nothing came.
            InputError: what reading raised.
        """
        with self._wake:
            if not self._wake.wait_for(lambda: self._held or self._ended, patience_s):
                raise TimeoutError("no frame came")
            if self._held is None and self._error is not None:
                raise self._error
            taken, self._held = self._held, None
            return taken

    def __enter__(self) -> Newest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)  # a camera that never answers must not hold the program

    def _run(self) -> None:
        try:
            again = True
            while again and not self._stop.is_set():
                self._read()
                again = self._loop
        except BaseException as error:  # whoever takes is told
            self._error = error
        finally:
            with self._wake:
                self._ended = True
                self._wake.notify_all()

    def _read(self) -> None:
        stream = self._opened()
        try:
            began = None
            for shot in stream:
                now = time.monotonic()
                began = now if began is None else began
                due = now if shot.due is None else began + float(shot.due)
                if now - due > _LATE_S:  # it can't be decoded any quicker: it plays slower
                    began, due = began + now - due, now
                if self._stop.wait(max(0.0, due - now)):
                    return
                with self._wake:
                    self.dropped += self._held is not None
                    self._held = Arrived(shot.pixels, due)
                    self._wake.notify_all()
        finally:
            stream.close()
