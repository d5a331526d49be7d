"""Open any source of frames: which reader, and why."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

from av.video.frame import VideoFrame

from scenivid.errors import ConfigError, InputError
from scenivid.pixels import Clip
from scenivid.video.container import check_size, is_pipe, open_container, video_stream
from scenivid.video.describe import describe
from scenivid.video.first_frame import first_frame
from scenivid.video.headers.heif import is_grid
from scenivid.video.headers.plays import plays_of
from scenivid.video.info import VideoInfo
from scenivid.video.reading.damage import say_what_is_missing
from scenivid.video.reading.decord_reader import decord_reader
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.pictures import images
from scenivid.video.reading.pictures.animated import describe_webp, is_moving_webp, webp_reader
from scenivid.video.reading.pictures.grid import describe_photograph, photograph_reader
from scenivid.video.reading.pipe_reader import pipe_reader
from scenivid.video.reading.pyav_reader import pyav_clips, pyav_reader
from scenivid.video.reading.reader import VideoReader
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.reading.times.read import read_timeline
from scenivid.video.reading.times.timeline import Timeline

_MOVING = ("apng", "gif")
DECODERS = ("auto", "decord", "pyav")
"""What `open_video` accepts."""


def probe(path: Path | str, how: ReadSettings | None = None) -> VideoInfo:
    """What a video file, a folder of frames or a still image says about itself.

    Raises:
        InputError: it can't be read.
    """
    path, how = Path(path), how or ReadSettings()
    if is_pipe(path):
        raise InputError(f"{path}: a pipe can't be looked at without using it up")
    if is_moving_webp(path):
        return describe_webp(path, how)[0]
    if _is_frames(path):
        return images.describe_frames(path, how)
    if path.is_file() and is_grid(path):
        return describe_photograph(path, how)
    return _probe(path, how)[0]


@dataclass(frozen=True)
class Looked:
    """What reading a video file through, without decoding it, has shown."""

    info: VideoInfo
    timeline: Timeline


def look_into(path: Path, how: ReadSettings | None = None) -> Looked | None:
    """Read a video file through, for `open_again`.

    None for what isn't such a file: pictures and pipes.

    Raises:
        InputError: it can't be read.
    """
    if _is_frames(path) or is_pipe(path) or is_moving_webp(path) or is_grid(path):
        return None
    return _look(path, how or ReadSettings())


def open_video(
    path: Path | str,
    decoder: str = "auto",
    start: Fraction | None = None,
    duration: Fraction | None = None,
    how: ReadSettings | None = None,
    at: Fraction | None = None,
) -> VideoReader:
    """Open a video file, a folder of frames or a still image for reading.

    Args:
        path: the source.
        decoder: 'auto', 'decord' or 'pyav'.
        start: skip the frames that begin earlier than this many seconds after the first.
        duration: end this many seconds after `start`.
        how: limits, and what to do about damage and interlacing; None for the defaults.
        at: the time of a frame, as it came in a clip: those before it needn't be read. Where that can't be
            done exactly, they come all the same.

    Raises:
        InputError: it can't be read, ends too early, or holds no frame in the part asked for.
        ConfigError: no such decoder, a negative start, an empty duration.
    """
    path, how = Path(path), how or ReadSettings()
    if decoder not in DECODERS:
        raise ConfigError(f"decoder must be one of {', '.join(DECODERS)}, got {decoder!r}")
    if start is not None and start < 0:
        raise ConfigError(f"start must not be negative, got {float(start)} s")
    if duration is not None and duration <= 0:
        raise ConfigError(f"duration must be positive, got {float(duration)} s")
    if _is_frames(path):
        info = images.describe_frames(path, how)
        frames = _image_window(info, start, duration)
        if at is not None:
            frames = range(max(frames.start, min(frames.stop - 1, floor(at * info.rate_hz))), frames.stop)
        return images.images_reader(info, frames, how)
    if is_pipe(path):
        if decoder == "decord":
            raise InputError(f"{path}: a pipe can be read only by --decoder pyav")
        return pipe_reader(path, start, duration, how)
    if how.rate_hz is not None:
        raise ConfigError(f"{path} has frame times of its own: --fps is for folders of frames")
    if is_moving_webp(path):
        return webp_reader(path, start, duration, how)
    if path.is_file() and is_grid(path):
        photograph = photograph_reader(path, how)
        if start:
            raise _empty(photograph.info, start)
        return photograph
    return _opened(_look(path, how), decoder, start, duration, how, at)


def open_again(looked: Looked, start: Fraction | None = None) -> VideoReader:
    """`open_video` for a file that was looked into: however long it is, it isn't read through again.

    Raises:
        InputError: it can't be read, or has ended at `start`.
    """
    return _opened(looked, "auto", start, None, ReadSettings(), None)


def _opened(
    looked: Looked,
    decoder: str,
    start: Fraction | None,
    duration: Fraction | None,
    how: ReadSettings,
    at: Fraction | None,
) -> VideoReader:
    info, timeline, path = looked.info, looked.timeline, looked.info.path
    window = timeline.window(start, duration)
    findings = Findings(path, how.strict)
    _say_about_colour(info, findings)
    say_what_is_missing(info, timeline, window, start, duration, how, findings)
    if not window:
        raise _empty(info, start)
    if decoder == "decord":

        def instead(batch: int, found: Findings) -> Generator[Clip, None, None]:
            return pyav_clips(info, timeline, window, how, batch, found)

        return decord_reader(info, timeline, window, findings, instead)
    reason = "asked for" if decoder == "pyav" else "auto"
    seeks = not timeline.counted and not timeline.clock.breaks
    if at is not None and seeks:
        first = bisect_right(timeline.pts, floor(at / timeline.time_base)) - 1
        window = range(min(max(window.start, first), window.stop - 1), window.stop)
    return pyav_reader(info, timeline, window, how, reason, findings, seeks)


def _is_frames(path: Path) -> bool:
    if path.is_dir():
        return True
    still = path.suffix.lower() in images.SUFFIXES and path.is_file()
    return still and not images.is_animated(path)


def _look(path: Path, how: ReadSettings) -> Looked:
    info, frame = _probe(path, how)
    timeline = read_timeline(path, info.stream_index, frame, info.rate_hz)
    return Looked(_timed(info, timeline), timeline)


def _probe(path: Path, how: ReadSettings) -> tuple[VideoInfo, VideoFrame]:
    with open_container(path, max_pixels=how.max_pixels, known=True) as container:
        stream = video_stream(container, path)
        check_size(stream, path, how.max_pixels)
        frame = first_frame(container, stream, path)
        info = describe(container, stream, frame, path)
        return (replace(info, plays=plays_of(path)) if info.codec in _MOVING else info), frame


def _say_about_colour(info: VideoInfo, findings: Findings) -> None:
    for note in info.color.remarks:
        findings.note(note)


def _timed(info: VideoInfo, timeline: Timeline) -> VideoInfo:
    """`info` with what the packets say about time, where containers may be vague or wrong."""
    between = timeline.seconds(len(timeline) - 1)
    rate = (len(timeline) - 1) / between if between else info.rate_hz
    if abs(rate / info.rate_hz - 1) < Fraction(1, 50):  # the container's own is rounder
        rate = info.rate_hz
    rate = rate.limit_denominator(1001)
    return replace(
        info,
        frames=len(timeline),
        start=timeline.pts[0] * timeline.time_base,
        rate_hz=rate,
        duration=between + (timeline.durations[-1] * timeline.time_base or 1 / rate),
    )


def _image_window(info: VideoInfo, start: Fraction | None, duration: Fraction | None) -> range:
    count = len(info.names)
    begin = start or Fraction(0)
    first = min(count, ceil(begin * info.rate_hz))
    last = count if duration is None else min(count, ceil((begin + duration) * info.rate_hz))
    if first >= last:
        raise _empty(info, start)
    return range(first, last)


def _empty(info: VideoInfo, start: Fraction | None) -> InputError:
    length = f"{float(info.duration):.3f} s" if info.duration is not None else "unknown"
    return InputError(
        f"{info.path}: no frame begins in the part asked for (start {float(start or 0):.3f} s,"
        f" length of the video {length})"
    )
