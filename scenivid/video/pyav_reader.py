"""Reading through PyAV: every format, depth and matrix, exact times."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.frames import Clip
from scenivid.video.color import Plane, RgbConverter
from scenivid.video.container import open_container, orientation
from scenivid.video.info import VideoInfo
from scenivid.video.reader import ThreadedReader
from scenivid.video.timeline import Timeline

_log = logging.getLogger(__name__)

# One packet is one frame in these; in others (hidden VP8 frames, MPEG-4 packed B-frames, field
# pictures) a packet without a frame is no damage.
ONE_TO_ONE = {"h264", "hevc", "vp9", "av1", "libdav1d", "prores", "ffv1", "mjpeg", "dnxhd", "gif", "png"}


def pyav_reader(
    info: VideoInfo, timeline: Timeline | None, window: range | None, reason: str
) -> ThreadedReader:
    """Read `info.path`.

    Args:
        info: what the container says.
        timeline: its frame times, where they are known beforehand.
        window: indices of the frames wanted; None for all.
        reason: why PyAV, for `decoder`.
    """
    frames = len(window) if window is not None else (len(timeline) if timeline else None)

    def produce(batch: int) -> Generator[Clip, None, None]:
        with open_container(info.path) as container:
            stream = container.streams[info.stream_index]
            assert isinstance(stream, VideoStream)
            frames = _frames(container, stream, info, timeline, window)
            yield from _clips(frames, info, batch)

    return ThreadedReader(info, f"pyav ({reason})" if reason else "pyav", frames, produce)


def _clips(frames: Iterator[VideoFrame], info: VideoInfo, batch: int) -> Generator[Clip, None, None]:
    convert = RgbConverter(info.color)
    dtype = torch.uint16 if info.bit_depth > 8 else torch.uint8
    pixels = torch.empty(0, dtype=dtype)
    pts: list[Fraction] = []
    durations: list[Fraction | None] = []
    for frame in frames:
        if not pts:
            pixels = torch.empty((batch, 3, info.height, info.width), dtype=dtype)
        upright = _upright(frame, info)
        for target, plane in zip(pixels[len(pts)].numpy(), convert(frame), strict=True):
            np.copyto(target, upright(plane))
        pts.append(Fraction(frame.pts or 0) * info.time_base)
        durations.append(frame.duration * info.time_base if frame.duration else None)
        if len(pts) == batch:
            yield Clip(pixels, tuple(pts), tuple(durations))
            pts, durations = [], []
    if pts:
        yield Clip(pixels[: len(pts)], tuple(pts), tuple(durations))


def _upright(frame: VideoFrame, info: VideoInfo) -> Callable[[Plane], Plane]:
    degrees, mirrored = orientation(frame, info.path)
    width, height = (frame.width, frame.height) if degrees in (0, 180) else (frame.height, frame.width)
    if (width, height) != (info.width, info.height):
        raise InputError(
            f"{info.path}: the picture size changes from {info.width}x{info.height} to {width}x{height}"
            f" at {float(frame.time or 0):.3f} s; convert the file to one size first"
        )

    def apply(plane: Plane) -> Plane:
        return np.rot90(plane[:, ::-1] if mirrored else plane, -(degrees // 90))

    return apply


def _frames(
    container: InputContainer,
    stream: VideoStream,
    info: VideoInfo,
    timeline: Timeline | None,
    window: range | None,
) -> Iterator[VideoFrame]:
    """The frames of the window, in order, each checked against the timeline."""
    if window is not None and not window:
        return
    stream.thread_type = "AUTO"
    decoded = _decoded(container, stream)
    if timeline is None:
        yield from decoded
        return
    wanted = window if window is not None else range(len(timeline))
    if wanted.start:
        key = timeline.key_before(timeline.pts[wanted.start])
        if key is not None:
            container.seek(key, stream=stream)
    index = wanted.start
    for frame in decoded:
        if frame.pts is not None and frame.pts < timeline.pts[wanted.start]:
            continue
        if index == wanted.stop:
            return
        if frame.pts != timeline.pts[index] and info.codec in ONE_TO_ONE:
            break
        yield frame
        index += 1
    if index < wanted.stop and info.codec in ONE_TO_ONE:
        raise _lost(info.path, timeline, index)


def _lost(path: Path, timeline: Timeline, index: int) -> InputError:
    at = float((timeline.pts[index] - timeline.pts[0]) * timeline.time_base)
    return InputError(
        f"{path}: damaged: frame {index + 1} of {len(timeline)} (at {at:.3f} s) can't be decoded;"
        f" the {index} before it can (--duration {at:.3f})"
    )


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Decode, going on after a damaged packet: the timeline tells whether a frame was lost."""
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError as exc:
            _log.debug("packet at pts %s: %s", packet.pts, exc)
            continue
        yield from frames
