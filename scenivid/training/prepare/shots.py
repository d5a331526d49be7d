"""A film, shot by shot: the sharpest frame of each, and what its bars look like."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from scenivid.pixels import Clip, to_float, to_pixels
from scenivid.temporal.cuts import SIDE, CutDetector
from scenivid.training.prepare.bars import Darkness, darkness
from scenivid.training.prepare.measures import blur
from scenivid.training.prepare.picture import Image, luma, reduced, resized
from scenivid.video.info import VideoInfo
from scenivid.video.open import open_video
from scenivid.video.reading.reader import VideoReader
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.tonemap import tonemap

_EDGE = 3
"""Frames at both ends of a shot that may still show the other one, in a dissolve."""
_AGAIN = 8
"""Frames read again when a film is taken up in its middle, so that cuts are found as they would have been."""
_BATCH = 4


@dataclass(frozen=True)
class Point:
    """Where to take up a film."""

    frame: int
    """The first that hasn't been used."""
    again: int
    """From which frame on to read."""
    seconds: Fraction
    """When that one is shown, after the film's first."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame."""

    number: int
    """From 0."""
    seconds: float
    """After the film's first."""
    image: Image
    """RGB, [H, W, 3]."""
    soft: float
    """How blurred it is, 0..1."""


@dataclass(frozen=True, eq=False)
class Shot:
    """Frames between two cuts, seen at its best one."""

    first: int
    last: int
    best: Frame
    dark: Darkness
    then: Point
    """Where the next shot begins."""


def opened(path: Path, start: Fraction | None = None) -> VideoReader:
    """A film whose damage is passed over."""
    return open_video(path, start=start or None, how=ReadSettings(on_error="skip"))


def shots(
    reader: VideoReader,
    after: Point | None = None,
    every_s: float = 0.0,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[Shot, None, None]:
    """Find the shots, one after the other, without holding more than a few frames.

    Args:
        reader: opened at `after`, closed by whoever opened it.
        after: where to go on; None: at the beginning.
        every_s: a shot longer than this counts as several; 0 = never.
        stop: asked at each frame; then no more comes, nor the shot at hand.

    Raises:
        InputError: damage that ends the film.
    """
    cuts = CutDetector()
    begun: _Begun | None = None
    times: deque[tuple[int, Fraction]] = deque(maxlen=_AGAIN + 1)
    first = after.frame if after is not None else 0
    for number, seconds, image in frames(reader, after):
        if stop():
            return
        times.append((number, seconds))
        small = reduced(image, float(reader.info.sample_aspect))
        cut = cuts.cuts(_thumbnail(small))[0]
        if number < first:
            continue
        if begun is not None and (cut or (every_s and seconds - begun.seconds >= every_s)):
            yield begun.ended(Point(number, *times[0]))
            begun = None
        if begun is None:
            begun = _Begun(number, seconds)
        begun.add(number, seconds, image, small)
    if begun is not None:
        number, seconds = times[-1]
        yield begun.ended(Point(number + 1, *times[0]))


def frames(reader: VideoReader, after: Point | None = None) -> Iterator[tuple[int, Fraction, Image]]:
    """Number, seconds after the film's first frame, and RGB [H, W, 3], of every frame."""
    number = after.again if after is not None else 0
    base: Fraction | None = None
    for clip in reader.clips(_BATCH):
        for image, pts in zip(_images(clip, reader.info), clip.pts, strict=True):
            if base is None:
                base = pts - (after.seconds if after is not None else 0)
            yield number, pts - base, image
            number += 1


def _images(clip: Clip, info: VideoInfo) -> Iterator[Image]:
    if info.color.hdr:
        clip = tonemap(clip, info)
    pixels = clip.pixels if clip.pixels.dtype is torch.uint8 else to_pixels(to_float(clip.pixels))
    for frame in pixels:
        yield np.ascontiguousarray(frame.permute(1, 2, 0).numpy())


class _Begun:
    """A shot that hasn't ended yet."""

    def __init__(self, first: int, seconds: Fraction) -> None:
        self.first, self.seconds, self.last = first, seconds, first
        self._best: Frame | None = None
        self._early: Frame | None = None
        """The best near the beginning, should the shot have no middle."""
        self._waiting: deque[Frame] = deque()
        self._dark: Darkness | None = None

    def add(self, number: int, seconds: Fraction, image: Image, small: Image) -> None:
        """Take the next frame in."""
        grey = luma(small)
        self._dark = darkness(grey) if self._dark is None else self._dark.with_frame(grey)
        frame = Frame(number, float(seconds), image, blur(grey))
        self.last = number
        if number < self.first + 2 * _EDGE + 1:
            self._early = _sharper(self._early, frame)
        if number >= self.first + _EDGE:
            self._waiting.append(frame)
            if len(self._waiting) > _EDGE:
                self._best = _sharper(self._best, self._waiting.popleft())

    def ended(self, then: Point) -> Shot:
        """The shot, which has at least one frame."""
        best = self._best or self._early
        assert best is not None and self._dark is not None
        return Shot(self.first, self.last, best, self._dark, then)


def _sharper(one: Frame | None, other: Frame) -> Frame:
    return other if one is None or other.soft < one.soft else one


def _thumbnail(small: Image) -> Clip:
    """What the cut detector compares."""
    scale = min(1.0, SIDE / max(small.shape[:2]))
    size = (max(8, round(small.shape[1] * scale)), max(8, round(small.shape[0] * scale)))
    image = resized(small, size)
    return Clip(torch.from_numpy(image).permute(2, 0, 1)[None], (Fraction(0),))
