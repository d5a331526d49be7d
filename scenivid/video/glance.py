"""One frame of a long video, at once: sought and decoded without reading the file through."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.pixels import Clip
from scenivid.video.container import decoder_of, decoder_options, open_container
from scenivid.video.headers.heif import is_grid
from scenivid.video.info import VideoInfo
from scenivid.video.reading.clips import clips_of
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.settings import MAX_PIXELS

_INDEXED = ("mov", "matroska")
"""Containers whose times are their frames' own, and that know where their key frames lie."""
_DISPOSABLE = ("h264", "mpeg2video", "mpeg4")
"""Codecs that mark frames on which no other depends, without exception."""


def glance(info: VideoInfo, at: Fraction) -> Clip | None:
    """The first frame that begins `at` seconds or later after the first, as `open_video` reads it.

    None where that takes more than a look: another container, interlaced or damaged pictures, the end. Then
    `open_video` tells.

    Args:
        info: as `probe` found it.
    """
    if info.names or not info.container.startswith(_INDEXED) or is_grid(info.path):
        return None
    wanted = round(info.start / info.time_base) + ceil(at / info.time_base)
    try:
        with open_container(info.path) as container:
            stream = container.streams[info.stream_index]
            assert isinstance(stream, VideoStream)
            stream.thread_type = "AUTO"
            stream.codec_context.options = decoder_options(stream, MAX_PIXELS)
            if at > 0:
                container.seek(wanted, stream=stream)
            frame = _first_from(wanted, _decoded(container, stream, wanted))
    except (av.FFmpegError, OSError):
        return None
    if frame is None:
        return None
    return next(clips_of(iter((frame,)), info, 1, Findings(info.path)))


def _first_from(wanted: int, frames: Iterator[VideoFrame]) -> VideoFrame | None:
    """The first frame at `wanted` or later, if what was decoded begins at it or before."""
    begun = False
    for frame in frames:
        if frame.pts is None or frame.is_corrupt or frame.interlaced_frame:
            return None
        if frame.pts >= wanted:
            return frame if begun or frame.pts == wanted else None
        begun = True
    return None


def _decoded(container: InputContainer, stream: VideoStream, wanted: int) -> Iterator[VideoFrame]:
    """Frames from where the container stands, but for some before `wanted` on which no other depends."""
    decoder = decoder_of(stream)
    skips = decoder.name in _DISPOSABLE
    for packet in container.demux(stream):
        if not packet.size and packet.pts is not None:
            continue  # an empty sample; the decoder would take it for the end
        if skips:
            early = packet.pts is not None and packet.pts < wanted
            decoder.skip_frame = "NONREF" if early else "DEFAULT"
        yield from decoder.decode(packet)
