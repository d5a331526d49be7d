"""One video file, encoded and muxed in a single pass with bounded memory."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid import aside
from scenivid.errors import OutputError
from scenivid.frames import Clip
from scenivid.video.formats import MATROSKA, Container, mux_options, video_time_base
from scenivid.video.info import VideoInfo
from scenivid.video.writing.encoders import Encoding
from scenivid.video.writing.matroska import ROOM, set_pixel_shape
from scenivid.video.writing.palette import Palette
from scenivid.video.writing.pictures import FrameMaker, Tags, quiet_encoders, tag, tags_for
from scenivid.video.writing.remux import Tracks
from scenivid.video.writing.ticks import Ticks


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
    ) -> None:
        unit = video_time_base(container, info.time_base)
        tags = tags_for(info.color, encoding)
        trimmed = bool(start)
        self.dtype = encoding.dtype
        self.encoder = encoding.encoder
        self.notes = list(encoding.notes)
        self._target, self._info, self._container, self._overwrite = target, info, container, overwrite
        self._trimmed, self._duration, self._unit = trimmed, duration, unit
        self._frames = FrameMaker(encoding, tags)
        self._palette = Palette(info.width, info.height, unit) if encoding.pix_fmt == "pal8" else None
        origin = info.start if trimmed else None
        if container.muxer == "gif" and info.start != 0:
            origin = Fraction(0)
            self.notes.append(f".gif begins at 0 s, the source at {float(info.start):g} s")
        self._ticks = Ticks(unit, container.tick, origin, info.rate_hz)
        self._held: Packet[Any] | None = None
        self._first_dts: int | None = None
        with contextlib.ExitStack() as undo:
            self._tracks = Tracks(info, container)
            undo.callback(self._tracks.close)
            self._part = aside.make_file(target)
            undo.callback(aside.discard, self._part)
            begin = info.start + start if start else None
            end = (begin or info.start) + duration if duration is not None else None
            with aside.writing(target):
                self._output, self._stream = _open(
                    self._part, info, container, encoding, tags, unit, self._tracks, begin, end
                )
            undo.pop_all()

    def write(self, clip: Clip) -> None:
        """Append frames; see `VideoWriter.write`."""
        size = (clip.pixels.shape[3], clip.pixels.shape[2])
        if clip.pixels.dtype != self.dtype or size != (self._info.width, self._info.height):
            raise ValueError(
                f"expected {self.dtype} {self._info.width}x{self._info.height}, "
                f"got {clip.pixels.dtype} {size[0]}x{size[1]}"
            )
        lengths = clip.durations or (None,) * len(clip)
        for frame, pts, length in zip(self._frames(clip.pixels, clip.alpha), clip.pts, lengths, strict=True):
            if self._ticks.first is None:
                self._tracks.begin(pts if self._trimmed else None)
            frame.pts, frame.time_base = self._ticks.add(pts, length), self._unit
            with aside.writing(self._target):
                self._encode(frame if self._palette is None else self._palette(frame))
                self._copy(pts)

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abandon()
            return
        try:
            self._finish()
        except BaseException:
            self._abandon()
            raise

    def _finish(self) -> None:
        if self._ticks.first is None:
            raise OutputError(f"{self._target} can't be written: the source gave no frame")
        with aside.writing(self._target):
            self._encode(None)
            self._mux_last()
            self._copy(None)
            self._output.close()
            self._mark_shape()
        self._tracks.close()
        self.notes += self._tracks.notes
        if not self._ticks.exact:
            tick = self._container.tick or self._unit
            self.notes.append(
                f"{self._container.suffix} counts time in steps of {float(tick * 1000):g} ms: "
                "frame times are rounded to the nearest"
            )
        aside.publish(self._part, self._target, self._overwrite)

    def _mark_shape(self) -> None:
        aspect = self._info.sample_aspect
        if aspect == 1 or self._container.exact_end:  # the mov muxer takes it from the encoder
            return
        if self._container.muxer not in MATROSKA or not set_pixel_shape(self._part, aspect):
            self.notes.append(
                f"pixels of shape {aspect.numerator}:{aspect.denominator} "
                f"can't be marked in {self._container.suffix}"
            )

    def _abandon(self) -> None:
        # Unlinked first: closing then has no file to rewrite for +faststart, and nothing to leave.
        aside.discard(self._part)
        with contextlib.suppress(OSError, FFmpegError):
            self._output.close()
        self._tracks.close()

    def _encode(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            if frame is None and self._ticks.count < 3:
                packet.dts = packet.pts  # x265 gives garbage for so few frames, and none is reordered
            if self._first_dts is None:
                self._first_dts = packet.dts
            # One is held back: its length is known once the next frame is, and the last one is special.
            if self._held is not None:
                self._mux(self._held)
            self._held = packet

    def _mux(self, packet: Packet[Any]) -> None:
        assert packet.pts is not None
        packet.duration = self._ticks.take_length(packet.pts)
        self._output.mux(packet)

    def _mux_last(self) -> None:
        packet, self._held = self._held, None
        if packet is None or packet.pts is None:
            raise OutputError(f"{self._target} can't be written: {self.encoder} gave no data")
        if not self._container.exact_end:
            self._mux(packet)
            return
        # The mov family adds up durations in decoding order: the last one makes the sum right.
        assert packet.dts is not None and self._first_dts is not None
        packet.duration = max(1, self._ticks.total + self._first_dts - packet.dts)
        self._output.mux(packet)

    def _copy(self, until: Fraction | None) -> None:
        """Mux what the other tracks hold before `until` seconds of the source (None: all)."""
        first = self._ticks.first
        assert first is not None
        begin = first if self._trimmed else None
        origin = first if self._trimmed else self._info.start
        end = None if self._duration is None else origin + self._duration
        for packet in self._tracks.packets(until, begin, end, self._ticks.shift):
            self._output.mux(packet)


def _open(
    part: Path,
    info: VideoInfo,
    container: Container,
    encoding: Encoding,
    tags: Tags,
    unit: Fraction,
    tracks: Tracks,
    begin: Fraction | None,
    end: Fraction | None,
) -> tuple[OutputContainer, VideoStream]:
    """The output with all its tracks, its header written."""
    options = mux_options(container, unit, tracks.offset_units, tracks.metadata)
    output = av.open(aside.address(part), "w", format=container.muxer, container_options=options)
    tracks.add_before(output)
    rate = info.rate_hz if info.rate_hz > 0 else Fraction(25)
    stream = output.add_stream(encoding.encoder, rate=rate, options=encoding.options, time_base=unit)
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = info.width, info.height, encoding.pix_fmt
    context.sample_aspect_ratio = info.sample_aspect
    context.thread_type = av.codec.context.ThreadType.AUTO  # PyAV's default makes x264 cut frames into slices
    if encoding.codec == "hevc" and container.exact_end:
        context.codec_tag = "hvc1"  # the only one that QuickTime plays
    tag(context, tags)
    stream.metadata.update(tracks.video_metadata)
    if container.muxer in MATROSKA and info.sample_aspect != 1:
        stream.metadata["title"] = stream.metadata.get("title", "") + ROOM
    tracks.add_after(output, begin, end)
    try:
        with quiet_encoders():
            context.open()
    except FFmpegError as exc:
        raise OutputError(
            f"{encoding.encoder} can't encode {info.width}x{info.height} as {encoding.pix_fmt}: "
            "try another --codec"
        ) from exc
    output.start_encoding()
    return output, stream
