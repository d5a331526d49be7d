"""The loop of a live stream: take the newest frame, stylise it, show it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from scenivid.engine.settings import StylizeSettings
from scenivid.engine.stream import FrameStylizer
from scenivid.errors import InputError
from scenivid.live.newest import Arrived, Newest
from scenivid.live.sizes import Sizes
from scenivid.live.sources import shots, shown
from scenivid.styles.stylizer import Stylizer

_SECONDS = 3.0
"""Over which the rate is counted."""
_PATIENCE_S = 20.0
"""Without a frame, a stream is taken to be dead."""
_QUALITY = 90
_ENOUGH = 15
"""Frames at one size before it is spoken of."""
Picture = npt.NDArray[Any]
"""RGB, uint8, [H, W, 3]."""


@dataclass(frozen=True)
class LiveSettings:
    """What a live stream is to be."""

    rate_hz: float = 15.0
    """Frames a second that the size is chosen for."""
    side: int | None = None
    """Shorter side, in pixels; None for the largest that reaches the rate."""
    loop: bool = False
    """Begin a file again at its end."""
    duration_s: float | None = None
    """End after so long; None for never."""


@dataclass(frozen=True)
class Status:
    """How a stream is doing, for people."""

    fps: float
    """Frames that were shown in each of the last seconds."""
    delay_ms: float
    """From when a frame was due to when it was shown: the median of the last ones."""
    width: int
    height: int
    shown: int
    dropped: int
    """Frames that were passed over to keep up."""

    @property
    def size(self) -> str:
        """Width x height."""
        return f"{self.width}x{self.height}"


class Screen(Protocol):
    """Whoever shows the frames."""

    def show(self, jpeg: bytes, status: Status) -> None:
        """Show a picture."""


def watch(
    source: str,
    settings: StylizeSettings,
    live: LiveSettings,
    screen: Screen,
    changed: Callable[[Status], None] = lambda status: None,
    stylizer: Stylizer | None = None,
) -> Status:
    """Stylize a stream onto a screen until it ends; frames that come too quickly are passed over.

    Args:
        source: as of `sources.shots`.
        settings: what is about files has no meaning here.
        live: size and rate.
        screen: shows the frames.
        changed: told when the size has been chosen, and chosen anew.
        stylizer: used in place of `settings.style`.

    Raises:
        InputError: the stream can't be opened, gives no frame, or is silent for long.
        CheckpointError, ConfigError: as of `FrameStylizer`.
    """
    painter, tally = _Painter(settings, stylizer), _Tally()
    sizes: Sizes | None = None
    short = told = 0
    with Newest(lambda: shots(source, settings.reading), loop=live.loop) as newest, closing(painter):
        ends = None if live.duration_s is None else time.monotonic() + live.duration_s
        while (frame := _next(newest, source)) is not None:
            if sizes is None or min(frame.pixels.shape[:2]) != short:
                short = min(frame.pixels.shape[:2])
                sizes = Sizes(live.rate_hz, short, live.side)
            width, height = _fitting(frame.pixels, sizes.side)
            if painter.set(width, height):  # loading took time: this frame is old by now
                continue
            start = time.monotonic()
            jpeg = _encoded(painter(frame.pixels))
            sizes.see(time.monotonic() - start)
            status = tally.add(frame, width, height, newest.dropped)
            screen.show(jpeg, status)
            if height != told and tally.settled:
                changed(status)
                told = height
            if ends is not None and time.monotonic() >= ends:
                break
    if tally.last is None:
        raise InputError(f"{shown(source)}: no frame came out of it")
    return tally.last


class _Painter:
    """The style, at one size at a time."""

    def __init__(self, settings: StylizeSettings, stylizer: Stylizer | None) -> None:
        self._settings, self._given = settings, stylizer
        self._style: FrameStylizer | None = None
        self._size = (0, 0)

    def set(self, width: int, height: int) -> bool:
        """Load the style for a size; False if it is loaded already."""
        if self._size == (width, height):
            return False
        self.close()
        self._style = FrameStylizer(self._settings, width, height, stylizer=self._given)
        self._size = (width, height)
        self._style(np.zeros((height, width, 3), np.uint8))  # what is slow only once
        self._style.forget()
        return True

    def __call__(self, pixels: Picture) -> Picture:
        """A frame of any size, stylised at the one that was set."""
        assert self._style is not None
        width, height = self._size
        if pixels.shape[:2] != (height, width):
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return self._style(pixels)

    def close(self) -> None:
        if self._style is not None:
            self._style.close()


class _Tally:
    """Counts what was shown."""

    def __init__(self) -> None:
        self.last: Status | None = None
        self._times: deque[float] = deque()
        self._delays: deque[float] = deque(maxlen=30)
        self._shown = 0
        self._size, self._since = (0, 0), 0

    def add(self, frame: Arrived, width: int, height: int, dropped: int) -> Status:
        """One more frame is ready to be shown."""
        now = time.monotonic()
        if self._size != (width, height):
            self._size, self._since = (width, height), self._shown
            self._times.clear()
            self._delays.clear()
        self._shown += 1
        self._times.append(now)
        while now - self._times[0] > _SECONDS:
            self._times.popleft()
        self._delays.append(1000 * (now - frame.at))
        span = self._times[-1] - self._times[0]
        fps = (len(self._times) - 1) / span if span > 0 else 0.0
        delay = sorted(self._delays)[len(self._delays) // 2]
        self.last = Status(round(fps, 1), round(delay, 1), width, height, self._shown, dropped)
        return self.last

    @property
    def settled(self) -> bool:
        """Whether enough was shown at the present size to tell of it."""
        return self._shown - self._since >= _ENOUGH


def _next(newest: Newest, source: str) -> Arrived | None:
    try:
        return newest.take(_PATIENCE_S)
    except TimeoutError as exc:
        raise InputError(f"{shown(source)}: no frame for {_PATIENCE_S:g} s") from exc


def _fitting(pixels: Picture, side: int) -> tuple[int, int]:
    """Width and height, even, with a shorter side of `side`; the frame's own where it is no larger."""
    height, width = pixels.shape[:2]
    if side >= min(height, width):
        return width, height
    scale = side / min(height, width)
    return 2 * round(width * scale / 2), 2 * round(height * scale / 2)


def _encoded(pixels: Picture) -> bytes:
    done, data = cv2.imencode(".jpg", pixels[..., 2::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done
    jpeg: bytes = data.tobytes()
    return jpeg
