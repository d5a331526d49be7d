"""Moving WebP pictures: each frame encoded by itself and written at once, so that memory stays bounded."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from scenivid.errors import ConfigError, OutputError
from scenivid.machine import aside
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, StoredClip
from scenivid.video.headers import webp
from scenivid.video.info import VideoInfo
from scenivid.video.writing.images.image_writer import encoded, left_out
from scenivid.video.writing.one_go import InOneGo
from scenivid.video.writing.picture.ticks import Ticks

_MILLISECOND = Fraction(1, 1000)
_CRF = 10.0
"""Quality by default, as `100 - quality` of libwebp."""
_LARGEST = 2**32 - 2
"""Bytes of a file, whose size is stored in 32 bits."""


class WebpWriter(InOneGo):
    """Writes frames with their transparency and their times, in milliseconds; see `VideoWriter`."""

    def __init__(self, target: Path, info: VideoInfo, crf: float | None, overwrite: bool) -> None:
        """
        Args:
            target: the file.
            info: of the source.
            crf: 0 is lossless, 100 the smallest; None for 10.
            overwrite: replace what is there.

        Raises:
            OutputError: the picture is too large for WebP, or the place refuses.
        """
        if max(info.width, info.height) > webp.LARGEST_SIDE:
            raise OutputError(
                f"{target}: WebP holds at most {webp.LARGEST_SIDE} pixels a side, the source is "
                f"{info.width}x{info.height}; use .apng"
            )
        if crf is not None and not 0 <= crf <= 100:
            raise ConfigError(f"--crf {crf:g} is outside 0..100, the range of webp")
        self.dtype = torch.uint8
        self.stored = None
        self.encoder = "webp"
        self.notes = left_out(info, ".webp holds a moving picture only")
        if info.bit_depth > 8 and not info.color.hdr:
            self.notes.append(".webp stores 8 bits")
        self._target, self._info, self._overwrite = target, info, overwrite
        self._quality = 101 if crf == 0 else round(100 - (_CRF if crf is None else crf))  # 101 is lossless
        self._ticks = Ticks(_MILLISECOND, None, Fraction(0), info.rate_hz)
        self._held: tuple[bytes, int] | None = None
        self._part = aside.make_file(target)
        try:
            with aside.writing(target):
                self._file = self._part.open("wb")
                self._file.write(webp.header(info.width, info.height, info.alpha, info.plays))
        except BaseException:
            aside.discard(self._part)
            raise

    def write(self, clip: Clip | StoredClip) -> None:
        """Append frames; see `VideoWriter.write`."""
        if isinstance(clip, StoredClip) or clip.pixels.dtype != self.dtype:
            raise ValueError(f"expected RGB of {self.dtype}")
        opacity = [None] * len(clip) if clip.alpha is None else clip.alpha
        lengths = clip.durations or (None,) * len(clip)
        for pixels, alpha, pts, length in zip(clip.pixels, opacity, clip.pts, lengths, strict=True):
            tick = self._ticks.add(pts, length)
            self._flush()
            self._held = encoded(pixels, alpha, ".webp", self._quality), tick

    def __enter__(self) -> WebpWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()
            aside.discard(self._part)

    def _finish(self) -> None:
        self._flush()
        if not self._ticks.count:
            raise OutputError(f"{self._target} can't be written: the source gave no frame")
        if not self._ticks.exact:
            self.notes.append(".webp counts time in steps of 1 ms: frame times are rounded to the nearest")
        with aside.writing(self._target):
            length = self._file.seek(0, os.SEEK_END)
            self._file.seek(4)
            self._file.write(webp.size_field(length))
            self._file.close()
        aside.publish(self._part, self._target, self._overwrite)

    def _flush(self) -> None:
        """Write the frame that is held back: its length is known once the next one has come."""
        if self._held is None:
            return
        still, tick = self._held
        self._held = None
        data = webp.frame(still, self._info.width, self._info.height, self._ticks.take_length(tick))
        with aside.writing(self._target):
            self._file.write(data)
            if self._file.tell() > _LARGEST:
                raise OutputError(f"{self._target}: a WebP file ends at 4 GB; use .apng, or a video")
