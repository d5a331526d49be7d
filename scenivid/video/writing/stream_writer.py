"""Frames as a plain stream, for pipes: Y4M (which may also be a file), or pictures one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from scenivid.errors import ConfigError, OutputError
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, StoredClip
from scenivid.video.color import bits
from scenivid.video.info import VideoInfo
from scenivid.video.writing.encoding.encoders import Encoding
from scenivid.video.writing.encoding.frames import FrameMaker, layout_of, matching_tags, stored_frames
from scenivid.video.writing.images.image_writer import encoded, left_out
from scenivid.video.writing.one_go import InOneGo
from scenivid.video.writing.sinks import Sink

STREAMS = ("y4m", "png", "ppm", "jpeg")
"""What can be written to a pipe."""
_DEEP = {"png", "ppm"}
_Y4M = {"420": "420mpeg2", "422": "422", "444": "444"}
_LIMIT = Fraction(1, 2)
"""Of a frame's length, by which frames may be off their rate without a word."""


class _Streamed(InOneGo):
    """What writers of streams share."""

    def __init__(self, sink: Sink, info: VideoInfo, why: str) -> None:
        self._sink, self._info = sink, info
        self.notes = left_out(info, why)
        self._count, self._uneven = 0, False
        self._first = info.start

    def _see(self, clip: Clip | StoredClip) -> None:
        """Notice frames that don't come at the rate that the stream gives them."""
        for pts in clip.pts:
            if self._count == 0:
                self._first = pts
            off = pts - self._first - self._count / self._info.rate_hz
            self._uneven = self._uneven or abs(off) * self._info.rate_hz > _LIMIT
            self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                return
            if not self._count:
                raise OutputError(f"{self._sink.name} can't be written: the source gave no frame")
            self._sink.finish()
            if self._uneven:
                rate = f"{float(self._info.rate_hz):g}"
                self.notes.append(f"frame times are uneven: the stream has one rate, {rate} frames a second")
        finally:
            self._sink.abandon()


class Y4mWriter(_Streamed):
    """YUV4MPEG2: uncompressed, in the source's own matrix, which has no place in it; see `VideoWriter`."""

    encoder = "y4m"

    def __init__(self, sink: Sink, info: VideoInfo, encoding: Encoding) -> None:
        """`encoding`: what is stored, 'y4m' of `encoding_for`."""
        super().__init__(sink, info, "Y4M holds the picture only")
        self.notes += encoding.notes
        tags = matching_tags(info.color)
        self.dtype = encoding.dtype
        self.stored = layout_of(encoding, tags)
        self._frames, self._tags = FrameMaker(encoding, tags), tags
        rate, aspect = info.rate_hz.limit_denominator(2**31 - 1), info.sample_aspect
        layout = VideoFormat(encoding.pix_fmt)
        depth = bits(layout)
        chroma = _Y4M[encoding.pix_fmt[3:6]] if depth == 8 else f"{encoding.pix_fmt[3:6]}p{depth}"
        full = "FULL" if tags.color_range == 2 else "LIMITED"
        sink.write(
            f"YUV4MPEG2 W{info.width} H{info.height} F{rate.numerator}:{rate.denominator} Ip"
            f" A{aspect.numerator}:{aspect.denominator} C{chroma} XCOLORRANGE={full}\n".encode()
        )

    def write(self, clip: Clip | StoredClip) -> None:
        """Append frames; see `VideoWriter.write`."""
        if isinstance(clip, StoredClip):
            frames = stored_frames(clip, self._tags)
        else:
            frames = self._frames(clip.pixels, clip.alpha)
        self._see(clip)
        for frame in frames:
            self._sink.write(b"FRAME\n")
            for plane in _rows(frame):
                self._sink.write(plane)
            self._sink.flush()

    def __enter__(self) -> Y4mWriter:
        return self


class PicturesWriter(_Streamed):
    """PNG, PPM or JPEG files one after the other, as `ffmpeg -f image2pipe` takes them; see `VideoWriter`."""

    stored = None

    def __init__(self, sink: Sink, info: VideoInfo, kind: str) -> None:
        """`kind`: 'png', 'ppm' or 'jpeg'."""
        super().__init__(sink, info, "a stream of pictures holds nothing else")
        deep = info.bit_depth > 8 and not info.color.hdr and kind in _DEEP
        self.dtype = torch.uint16 if deep else torch.uint8
        self.encoder = kind
        if info.bit_depth > 8 and not deep and not info.color.hdr:
            self.notes.append(f"{kind} stores 8 bits")
        if info.alpha and kind != "png":
            self.notes.append(f"{kind} can't hold transparency: it was laid on black")

    def write(self, clip: Clip | StoredClip) -> None:
        """Append frames; see `VideoWriter.write`."""
        if isinstance(clip, StoredClip) or clip.pixels.dtype != self.dtype:
            raise ValueError(f"expected RGB of {self.dtype}")
        self._see(clip)
        opacity = [None] * len(clip) if clip.alpha is None else clip.alpha
        for pixels, alpha in zip(clip.pixels, opacity, strict=True):
            self._sink.write(encoded(pixels, alpha, f".{self.encoder}"))
            self._sink.flush()

    def __enter__(self) -> PicturesWriter:
        return self


def check_stream(kind: str | None) -> str:
    """The kind of stream, by default Y4M; raises ConfigError that lists those there are."""
    if kind is None:
        return STREAMS[0]
    if kind not in STREAMS:
        raise ConfigError(f"a stream must be one of {', '.join(STREAMS)}, got {kind!r}")
    return kind


def _rows(frame: VideoFrame) -> Iterator[memoryview]:
    """The planes of a planar frame without what pads their rows."""
    wide = 2 if bits(frame.format) > 8 else 1
    for plane in frame.planes:
        held = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        yield np.ascontiguousarray(held[: plane.height, : plane.width * wide]).data.cast("B")
