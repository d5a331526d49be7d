"""Reading through PyAV: every format, depth and matrix, exact times."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import torch
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.frames import Clip
from scenivid.video.color import Plane, RgbConverter
from scenivid.video.container import is_pipe, open_container, open_pipe, video_stream
from scenivid.video.describe import describe, orientation
from scenivid.video.info import VideoInfo
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.reader import ThreadedReader
from scenivid.video.reading.timeline import Timeline, milliseconds

_log = logging.getLogger(__name__)

ONE_TO_ONE = {"h264", "hevc", "vp9", "av1", "prores", "ffv1", "mjpeg", "dnxhd", "gif", "png"}
"""Codecs in which each packet is one frame. In others (hidden VP8 frames, packed MPEG-4 B-frames,
field pictures) a packet without a frame is no damage."""


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

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        return pyav_clips(info, timeline, window, batch)

    return ThreadedReader(info, f"pyav ({reason})", None if window is None else len(window), produce)


def pyav_clips(
    info: VideoInfo, timeline: Timeline | None, window: range | None, batch: int
) -> Generator[Clip, None, None]:
    """Open `info.path`, yield its clips, close it; for the arguments see `pyav_reader`."""
    with open_container(info.path) as container:
        stream = container.streams[info.stream_index]
        assert isinstance(stream, VideoStream)
        stream.thread_type = "AUTO"
        if timeline is None:
            frames = timed(decode(container, stream, info.path), info)
        else:
            frames = _frames(container, stream, info, timeline, window or range(len(timeline)))
        yield from clips_of(frames, info, batch)


def pipe_reader(path: Path) -> ThreadedReader:
    """Read a pipe, once: what it holds is known only as it comes. `-` is the standard input.

    Raises:
        InputError: no video comes out of it.
    """
    with ExitStack() as undo:
        container = undo.enter_context(open_container(path, undo.enter_context(open_pipe(path))))
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        frames = decode(container, stream, path)
        head = next(frames, None)
        if head is None:
            raise InputError(f"{path}: no frame came out of this pipe")
        info = replace(describe(container, stream, head, path), frames=None)
        opened = undo.pop_all()
    left = [timed(itertools.chain([head], frames), info)]

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        if not left:
            raise InputError(f"{path}: a pipe can be read only once")
        with opened:
            yield from clips_of(left.pop(), info, batch)

    return ThreadedReader(info, "pyav (a pipe)", None, produce)


def clips_of(frames: Iterator[VideoFrame], info: VideoInfo, batch: int) -> Generator[Clip, None, None]:
    """Upright full-range RGB of decoded frames, `batch` at a time; an early end of `frames` is kept."""
    convert = RgbConverter(info.color)
    # NumPy's memory goes back to the system at once; torch's allocator keeps some tens of MB.
    pixels: npt.NDArray[Any] = np.empty(0, np.uint16 if info.bit_depth > 8 else np.uint8)
    turn: tuple[int, bool] | None = None
    pts: list[Fraction] = []
    durations: list[Fraction | None] = []
    for frame in frames:
        if turn is None:  # asked once: a frame asked for side data lives until the garbage collector comes
            turn = orientation(frame, info.path)
        if not pts:
            pixels = np.empty((batch, 3, info.height, info.width), pixels.dtype)
        for target, plane in zip(pixels[len(pts)], _upright(convert(frame), turn), strict=True):
            if plane.shape != target.shape:
                raise _other_size(plane, frame, info)
            np.copyto(target, plane)
        assert frame.pts is not None
        pts.append(frame.pts * info.time_base)
        durations.append(frame.duration * info.time_base if frame.duration else None)
        if len(pts) == batch:
            yield Clip(torch.from_numpy(pixels), tuple(pts), tuple(durations))
            pts, durations = [], []
    if pts:
        yield Clip(torch.from_numpy(pixels[: len(pts)]), tuple(pts), tuple(durations))


def decode(
    container: InputContainer, stream: VideoStream, path: Path, *, tolerant: bool = False
) -> Iterator[VideoFrame]:
    """Decode from where the container stands.

    Args:
        container: opened on `path`.
        stream: one of its streams.
        path: for messages.
        tolerant: go on after a damaged packet, because the caller will notice a missing frame.

    Raises:
        InputError: damaged data.
    """
    packets = container.demux(stream)
    began = False
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as exc:
            hint = "; an MP4 with its index at the end can't be piped: save it first" if is_pipe(path) else ""
            raise InputError(f"{path}: can't be read to its end ({exc.strerror}){hint}") from exc
        if packet is None:
            return
        if not packet.size and packet.pts is not None:
            continue  # an empty sample; the decoder would take it for the end
        try:
            frames = packet.decode()
        except av.FFmpegError as exc:
            _log.debug("%s: the packet at pts %s can't be decoded: %s", path, packet.pts, exc.strerror)
            if began and not tolerant:  # before the first frame: a recording that begins mid-way
                raise InputError(f"{path}: damaged: the packet at pts {packet.pts} can't be decoded") from exc
            continue
        began = began or bool(frames)
        yield from frames


def timed(frames: Iterator[VideoFrame], info: VideoInfo) -> Iterator[VideoFrame]:
    """Frames with increasing pts, filled in from the frame rate where a raw stream has none."""
    step = max(1, round(1 / (info.rate_hz * info.time_base)))
    last: int | None = None
    for frame in frames:
        if frame.pts is None or (last is not None and frame.pts <= last):
            frame.pts = 0 if last is None else last + step
        last = frame.pts
        yield frame


def _upright(planes: list[Plane], turn: tuple[int, bool]) -> list[Plane]:
    degrees, mirrored = turn
    return [np.rot90(plane[:, ::-1] if mirrored else plane, -(degrees // 90)) for plane in planes]


def _other_size(plane: Plane, frame: VideoFrame, info: VideoInfo) -> InputError:
    height, width = plane.shape
    return InputError(
        f"{info.path}: the picture size changes from {info.width}x{info.height} to {width}x{height}"
        f" at {float(frame.time or 0):.3f} s; convert the file to one size first"
    )


def _frames(
    container: InputContainer, stream: VideoStream, info: VideoInfo, timeline: Timeline, window: range
) -> Iterator[VideoFrame]:
    """The frames of the window, in order, each checked against the timeline."""
    first, last = timeline.pts[window.start], timeline.pts[window.stop - 1]
    strict = info.codec in ONE_TO_ONE
    # AVI stores no presentation times: those of its packets are right only once sorted.
    counted = strict and info.container == "avi"
    if counted or len(timeline.keys_before(first)) < 2:
        decoded = decode(container, stream, info.path, tolerant=strict and not counted)
        index = 0
    else:
        decoded = _decoded_from(container, stream, info, timeline, first)
        index = window.start
    known = set(timeline.pts)
    patched = 0
    for frame in decoded:
        if counted:
            frame.pts = timeline.pts[index]
            index += 1
            if index > window.start:
                yield frame
        elif frame.pts is None or frame.pts < first:
            continue
        else:
            index = max(index, window.start)
            if strict and frame.pts > timeline.pts[index] and frame.pts in known:
                break  # one before it was lost
            if strict:
                frame.pts = timeline.pts[index]
            if frame.pts <= last:
                yield frame
            index += 1
        patched += frame.is_corrupt
        if index == window.stop or frame.pts >= last:
            index = window.stop
            break
    if patched:
        _log.warning("%s: %d damaged frames were patched by the decoder", info.path, patched)
    if strict and index < window.stop:
        at = milliseconds(timeline.seconds(index))
        raise InputError(
            f"{info.path}: damaged: frame {index + 1} of {len(timeline)} (at {at} s) can't be decoded;"
            f" the {index} before it can (add --duration {at})"
        )


def _decoded_from(
    container: InputContainer, stream: VideoStream, info: VideoInfo, timeline: Timeline, first: int
) -> Iterator[VideoFrame]:
    """Decode from a key frame that lets `first` be decoded."""
    keys = timeline.keys_before(first)
    # Demuxers seek by dts, which may lead into the group after the one meant: then start earlier.
    for key in (keys[-1], keys[max(0, len(keys) - 4)], keys[0]):
        container.seek(key, stream=stream)
        frames = decode(container, stream, info.path, tolerant=info.codec in ONE_TO_ONE)
        head = next(frames, None)
        if head is not None and head.pts is not None and head.pts <= first:
            yield head
            yield from frames
            return
