"""Pipes: read once, from their beginning, and no further than asked for."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame

from scenivid.errors import ConfigError, InputError
from scenivid.pixels import Clip, StoredClip
from scenivid.video.container import check_size, open_container, open_pipe, video_stream
from scenivid.video.describe import describe
from scenivid.video.info import VideoInfo
from scenivid.video.reading.clips import clips_of, storable, stored_clips_of
from scenivid.video.reading.decoding import decode
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.interlace import deinterlaced
from scenivid.video.reading.pictures.images import RATE_HZ
from scenivid.video.reading.pyav_reader import watched
from scenivid.video.reading.reader import ThreadedReader
from scenivid.video.reading.settings import ReadSettings

_PICTURES = "_pipe"
"""How FFmpeg's names of streams of pictures end, which carry no times."""


def pipe_reader(
    path: Path, start: Fraction | None, duration: Fraction | None, how: ReadSettings
) -> ThreadedReader:
    """Read a pipe, once: what it holds is known only as it comes. `-` is the standard input.

    Pictures one after the other (PNG, JPEG, PPM, …) come 24 a second, or as many as `how` says.

    Args:
        path: of the pipe.
        start: pass over the frames that begin earlier than this many seconds after the first.
        duration: end this many seconds after `start`, and read no further.
        how: limits, and what to do about damage and interlacing.

    Raises:
        InputError: no video comes out of it.
        ConfigError: a frame rate for a video that has its own.
    """
    with ExitStack() as undo:
        rate = how.rate_hz or RATE_HZ
        container = undo.enter_context(
            open_container(path, undo.enter_context(open_pipe(path)), pictures_rate=rate)
        )
        pictures = _without_times(container)
        if how.rate_hz is not None and not pictures:
            raise ConfigError(f"{path} has frame times of its own: --fps is for pictures")
        stream = video_stream(container, path)
        check_size(stream, path, how.max_pixels)
        stream.thread_type = "SLICE" if pictures else "AUTO"  # a live stream shall not wait for other frames
        missed: list[int] = []
        frames = decode(container, stream, path, failed=lambda: missed.append(1))
        head = next(frames, None)
        if head is None:
            raise InputError(f"{path}: no frame came out of this pipe")
        info = replace(describe(container, stream, head, path), frames=None, duration=None)
        first = [head]
        if pictures:
            first += itertools.islice(frames, 1)
            single = 1 if len(first) == 1 else None
            info = replace(info, frames=single, rate_hz=rate, time_base=1 / rate, start=Fraction(0))
        opened = undo.pop_all()
    times = _counted if pictures else _timed
    left = [_window(times(itertools.chain(first, frames), info), info, start, duration)]

    def whole(findings: Findings) -> Iterator[VideoFrame]:
        if not left:
            raise InputError(f"{path}: a pipe can be read only once")
        with opened:
            came = 0
            for frame in deinterlaced(
                watched(left.pop(), info, findings), findings, how.deinterlace == "auto"
            ):
                came += 1
                yield frame
            if missed:
                text = f"{len(missed)} packets can't be decoded"
                if how.on_error == "stop":
                    raise InputError(f"{path}: damaged: {text}; pass over them with --on-error skip")
                findings.damage(text, len(missed))
            if not came:
                raise InputError(
                    f"{path}: no frame begins in the part asked for (start {float(start or 0):.3f} s)"
                )

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        yield from clips_of(whole(findings), info, batch, findings)

    def produce_stored(batch: int, findings: Findings) -> Generator[StoredClip, None, None]:
        yield from stored_clips_of(whole(findings), info, batch, findings)

    stored = produce_stored if storable(info) else None
    return ThreadedReader(info, "pyav (a pipe)", None, produce, None, how.strict, stored)


def _without_times(container: InputContainer) -> bool:
    """Whether FFmpeg makes up the times, as for pictures one after the other."""
    return container.format.name.endswith(_PICTURES) or container.format.name == "mjpeg"


def _counted(frames: Iterator[VideoFrame], info: VideoInfo) -> Iterator[VideoFrame]:
    """Frames with their numbers as pts."""
    for number, frame in enumerate(frames):
        frame.pts, frame.duration = number, 1
        yield frame


def _timed(frames: Iterator[VideoFrame], info: VideoInfo) -> Iterator[VideoFrame]:
    """Frames with increasing pts, filled in from the frame rate where a raw stream has none."""
    step = max(1, round(1 / (info.rate_hz * info.time_base)))
    last: int | None = None
    for frame in frames:
        if frame.pts is None or (last is not None and frame.pts <= last):
            frame.pts = 0 if last is None else last + step
        last = frame.pts
        yield frame


def _window(
    frames: Iterator[VideoFrame], info: VideoInfo, start: Fraction | None, duration: Fraction | None
) -> Iterator[VideoFrame]:
    """The frames that begin in [start, start + duration), seconds after the first."""
    begin = info.start + (start or 0)
    end = None if duration is None else begin + duration
    for frame in frames:
        assert frame.pts is not None
        time = frame.pts * info.time_base
        if end is not None and time >= end:
            return
        if time >= begin:
            yield frame
