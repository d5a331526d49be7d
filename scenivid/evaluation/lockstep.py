"""Several versions of one video, frame by frame and side by side, in bounded memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import DataError
from scenivid.pixels import Clip, to_float
from scenivid.video.open import open_video
from scenivid.video.reading.reader import VideoReader
from scenivid.video.tonemap import tonemap

_BATCH = 4


@dataclass(frozen=True)
class Window:
    """Which frames are looked at, and how large."""

    start: Fraction | None = None
    """Where the source begins, in seconds after its first frame; the others are read from their beginning."""
    duration: Fraction | None = None
    """Seconds of the source."""
    max_frames: int | None = None
    """Stop after this many."""
    long_side: int | None = None
    """Shrink frames whose longer side exceeds this many pixels."""


@dataclass(frozen=True, eq=False)
class Moment:
    """The same instant in every video."""

    index: int
    """Number of the frame; the first is 0."""
    original: Clip
    """The source's frame as decoded (tone-mapped if HDR)."""
    frames: Tensor
    """float32 RGB in [0, 1], [V, 3, H, W], in the order the videos were named."""


@contextmanager
def open_together(videos: Sequence[Path], window: Window) -> Iterator[LockStep]:
    """Open the source and its versions; the first path is the source.

    Raises:
        InputError: one can't be read.
        DataError: their frames differ in size.
    """
    with ExitStack() as stack:
        starts = [(window.start, window.duration)] + [(None, None)] * (len(videos) - 1)
        readers = [
            stack.enter_context(open_video(path, start=start, duration=duration))
            for path, (start, duration) in zip(videos, starts, strict=True)
        ]
        first = readers[0].info
        for reader in readers[1:]:
            if (reader.info.width, reader.info.height) != (first.width, first.height):
                raise DataError(
                    f"{reader.info.path} is {reader.info.width}×{reader.info.height} but {first.path} is "
                    f"{first.width}×{first.height}: flicker is measured on videos of one size"
                )
        yield LockStep(readers, window)


class LockStep:
    """Open readers that advance together."""

    def __init__(self, readers: Sequence[VideoReader], window: Window) -> None:
        self._readers, self._window = readers, window
        info = readers[0].info
        self.size = _fitted((info.height, info.width), window.long_side)
        """(H, W) of the frames handed out."""

    @property
    def expected(self) -> int | None:
        """Frames to come, as far as the containers tell."""
        counts = [reader.info.frames for reader in self._readers[1:]] + [self._window.max_frames]
        known = [count for count in counts if count is not None]
        return min(known) if known else None

    def __iter__(self) -> Iterator[Moment]:
        """Raises:
        DataError: one video ends before the others.
        """
        streams = [_frames(reader) for reader in self._readers]
        try:
            index = 0
            while index != self._window.max_frames:
                clips = [next(stream, None) for stream in streams]
                if all(clip is None for clip in clips):
                    return
                self._check(clips, index)
                present = [clip for clip in clips if clip is not None]
                frames = torch.cat([to_float(clip.pixels) for clip in present])
                if frames.shape[-2:] != self.size:
                    frames = F.interpolate(frames, self.size, mode="bilinear", antialias=True)
                yield Moment(index, present[0], frames)
                index += 1
        finally:
            for stream in streams:
                stream.close()

    def _check(self, clips: Sequence[Clip | None], index: int) -> None:
        ended = [reader.info.path for reader, clip in zip(self._readers, clips, strict=True) if clip is None]
        if ended:
            longer = next(
                r.info.path for r, clip in zip(self._readers, clips, strict=True) if clip is not None
            )
            raise DataError(
                f"{ended[0]} ends after {index} frame{'s' if index != 1 else ''} but {longer} goes on: "
                "they don't show the same frames; for a part of the source give --start and --duration"
            )


def _frames(reader: VideoReader) -> Generator[Clip, None, None]:
    for clip in reader.clips(_BATCH):
        shown = tonemap(clip, reader.info) if reader.info.color.hdr else clip
        for index in range(len(shown)):
            yield Clip(shown.pixels[index : index + 1], shown.pts[index : index + 1])


def _fitted(size: tuple[int, int], long_side: int | None) -> tuple[int, int]:
    if long_side is None or max(size) <= long_side:
        return size
    scale = long_side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
