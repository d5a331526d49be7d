"""One video file: the picture encoded in pieces, then put together with the source's other tracks."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from scenivid.errors import OutputError
from scenivid.machine import aside
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, StoredClip
from scenivid.video.formats import MATROSKA, Container, video_time_base
from scenivid.video.info import VideoInfo
from scenivid.video.writing.container.matroska import ROOM
from scenivid.video.writing.container.muxing import Muxer
from scenivid.video.writing.encoding.encoders import Encoding
from scenivid.video.writing.encoding.frames import (
    FrameMaker,
    Tags,
    layout_of,
    quiet_encoders,
    stored_frames,
    tag,
    tags_for,
)
from scenivid.video.writing.encoding.palette import Palette
from scenivid.video.writing.picture.direct_track import PictureTrack
from scenivid.video.writing.picture.piece_track import PieceTrack
from scenivid.video.writing.picture.pieces import Piece, WorkPlace
from scenivid.video.writing.picture.ticks import Ticks
from scenivid.video.writing.tracks.tracks import Tracks
from scenivid.video.writing.tracks.window import Window

_PRIMING = Fraction(1, 10)
"""Seconds by which sound may begin before zero: encoders' delay, which players cut off."""


class FileWriter:
    """Encodes frames and brings the source's other tracks along; see `VideoWriter` and `open_writer`."""

    def __init__(
        self,
        target: Path,
        info: VideoInfo,
        container: Container,
        encoding: Encoding,
        overwrite: bool,
        start: Fraction | None,
        duration: Fraction | None,
        work: WorkPlace | None = None,
    ) -> None:
        """
        Args:
            work: where to keep what is encoded, and what is there already; None for a place of its own.
        """
        unit = video_time_base(container, info.time_base)
        tags = tags_for(info.color, encoding)
        self._encoding = encoding
        self.encoder = encoding.encoder
        self.notes = list(encoding.notes)
        self._target, self._info, self._container, self._overwrite = target, info, container, overwrite
        self._trimmed, self._duration, self._unit = bool(start), duration, unit
        self._whole = work is None or work.whole
        self._frames, self._tags = FrameMaker(encoding, tags, info.alpha), tags
        self.stored = layout_of(encoding, tags)
        self._palette = (
            Palette(info.width, info.height, unit, info.alpha) if encoding.pix_fmt == "pal8" else None
        )
        tracks = Tracks(info, container)
        try:
            origin = self._origin(tracks)
            ticks = Ticks(unit, container.tick, origin, info.rate_hz)
            if work is not None and work.ticks is not None:
                ticks.restore(work.ticks)
            begin = info.start + start if start else None
            end = (begin or info.start) + duration if duration is not None else None
            first = info.start if begin is None else begin
            window = Window(begin, end, Fraction(0) if origin is None else first - origin)

            def add_picture(output: OutputContainer) -> VideoStream:
                stream = _add_picture(output, info, container, encoding, tags, unit, encoding.restartable)
                metadata = tracks.video_metadata(start or Fraction(0))
                stream.metadata.update(metadata)
                if container.muxer in MATROSKA and info.sample_aspect != 1:
                    stream.metadata["title"] = stream.metadata.get("title", "") + ROOM
                return stream

            self._own = None if work is not None else aside.make_folder(target)
            place = work or WorkPlace(self._own or target.parent)
            try:
                self._muxer = Muxer(target, info, container, unit, tracks, window, add_picture, place.folder)
            except BaseException:
                self._tidy()
                raise
        except BaseException:
            tracks.close()
            raise
        picture = self._muxer.picture
        assert isinstance(picture, VideoStream)
        self._pieces = self._direct = None
        if encoding.restartable:
            encoder = partial(
                _add_picture, info=info, container=container, encoding=encoding, tags=tags, unit=unit
            )
            self._pieces = PieceTrack(place.folder, place.pieces, encoder, container.muxer, unit, ticks)
        else:
            self._direct = PictureTrack(picture, ticks, unit, container.exact_end)
        self._picture, self._ticks = picture, ticks

    @property
    def dtype(self) -> torch.dtype:
        """See `VideoWriter.dtype`."""
        return self._encoding.dtype

    def write(self, clip: Clip | StoredClip) -> None:
        """Append frames; see `VideoWriter.write`."""
        picture = clip.luma if isinstance(clip, StoredClip) else clip.pixels
        size = (picture.shape[-1], picture.shape[-2])
        stored = isinstance(clip, StoredClip)
        fits = clip.layout == self.stored if isinstance(clip, StoredClip) else picture.dtype == self.dtype
        if not fits or size != (self._info.width, self._info.height):
            raise ValueError(
                f"expected {self.stored if stored else self.dtype} {self._info.width}x{self._info.height}, "
                f"got {clip.layout if isinstance(clip, StoredClip) else picture.dtype} {size[0]}x{size[1]}"
            )
        if isinstance(clip, StoredClip):
            frames = stored_frames(clip, self._tags)
        else:
            frames = self._frames(clip.pixels, clip.alpha)
        lengths = clip.durations or (None,) * len(clip)
        for frame, pts, length in zip(frames, clip.pts, lengths, strict=True):
            if self._pieces is not None:
                with aside.writing(self._target):
                    self._pieces.encode(frame, pts, length)
                continue
            assert self._direct is not None
            if self._ticks.first is None:
                self._muxer.begin(pts if self._trimmed else None)
            with aside.writing(self._target):
                shown = frame if self._palette is None else self._palette(frame)
                self._muxer.mux(self._direct.encode(shown, pts, length))
            self._muxer.copy(pts, self._window())

    @property
    def ticks(self) -> dict[str, Any]:
        """See `VideoWriter.ticks`."""
        return self._ticks.state()

    @property
    def restartable(self) -> bool:
        """See `VideoWriter.restartable`."""
        return self._pieces is not None

    def skip(self, clip: Clip | StoredClip) -> None:
        """Pass over frames that somebody else encodes; see `VideoWriter.skip`."""
        assert self._pieces is not None
        for pts, length in zip(clip.pts, clip.durations or (None,) * len(clip), strict=True):
            self._pieces.skip(pts, length)

    def end_piece(self) -> Piece | None:
        """Finish a piece; see `VideoWriter.end_piece`."""
        if self._pieces is None:
            return None
        with aside.writing(self._target):
            return self._pieces.end_piece()

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None or not self._whole:
                self._muxer.abandon()
                return
            try:
                self._finish()
            except BaseException:
                self._muxer.abandon()
                raise
        finally:
            if self._pieces is not None:
                self._pieces.abandon()
            self._tidy()

    def _tidy(self) -> None:
        if self._own is not None:
            aside.discard(self._own)

    def _finish(self) -> None:
        ticks = self._ticks
        if ticks.first is None:
            raise OutputError(f"{self._target} can't be written: the source gave no frame")
        if self._pieces is not None:
            self.end_piece()
            self._join(self._pieces, ticks.first)
        else:
            assert self._direct is not None
            self._muxer.mux(self._direct.finish())
        self._muxer.copy(None, self._window())
        if not ticks.exact:
            tick = self._container.tick or self._unit
            self.notes.append(
                f"{self._container.suffix} counts time in steps of {float(tick * 1000):g} ms: "
                "frame times are rounded to the nearest"
            )
        self._muxer.finish(ticks.count, self._overwrite)
        self.notes += self._muxer.notes

    def _join(self, pieces: PieceTrack, first: Fraction) -> None:
        """Write the packets of all pieces, and the other tracks beside them."""
        self._muxer.begin(first if self._trimmed else None)
        window = self._window()
        for packet in pieces.packets(self._picture, self._container.exact_end):
            assert packet.dts is not None
            decoded = packet.dts * self._unit + self._ticks.shift
            self._muxer.mux([packet])
            self._muxer.copy(max(first, decoded), window)

    def _origin(self, tracks: Tracks) -> Fraction | None:
        """When the first frame is shown in the output, in seconds; None to leave all times as they are."""
        start = self._info.start
        if self._container.from_zero:
            if start != 0:
                self.notes.append(f"{self._container.suffix} begins at 0 s, the source at {float(start):g} s")
            return Fraction(0)
        if self._trimmed:
            return max(start, Fraction(0))
        earliest = min(start, tracks.earliest)
        if start >= 0 and earliest >= -_PRIMING:
            return None
        self.notes.append(
            f"all times are moved on by {float(-earliest):g} s: the source begins before 0, "
            f"which {self._container.suffix} can't hold"
        )
        return start - earliest

    def _window(self) -> Window:
        """The part that is written, by the time of the first frame."""
        first, shift = self._ticks.first, self._ticks.shift
        assert first is not None
        origin = first if self._trimmed else self._info.start
        end = None if self._duration is None else origin + self._duration
        return Window(first if self._trimmed else None, end, shift)


def _add_picture(
    output: OutputContainer,
    info: VideoInfo,
    container: Container,
    encoding: Encoding,
    tags: Tags,
    unit: Fraction,
    idle: bool = False,
) -> VideoStream:
    """The picture's track with its encoder open.

    Args:
        idle: it encodes nothing, and only says what the track's header has to.
    """
    rate = info.rate_hz if info.rate_hz > 0 else Fraction(25)
    stream = output.add_stream(encoding.encoder, rate=rate, options=encoding.options, time_base=unit)
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = info.width, info.height, encoding.pix_fmt
    context.sample_aspect_ratio = info.sample_aspect
    context.thread_type = av.codec.context.ThreadType.AUTO  # PyAV's default makes x264 cut frames into slices
    context.thread_count = encoding.threads(info.height)
    if idle and encoding.encoder == "libx264":  # a thread holds 8 MB at 3840×2160; x265 notes their number
        context.thread_count = 1
    if encoding.codec == "hevc" and container.exact_end:
        context.codec_tag = "hvc1"  # the only one that QuickTime plays
    tag(context, tags)
    try:
        with quiet_encoders():
            context.open()
    except FFmpegError as exc:
        raise OutputError(
            f"{encoding.encoder} can't encode {info.width}x{info.height} as {encoding.pix_fmt}: "
            "try another --codec"
        ) from exc
    return stream
