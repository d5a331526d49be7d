"""Open any source of frames: which reader, and why."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

from av.video.frame import VideoFrame

from scenivid.errors import ConfigError, InputError
from scenivid.frames import Clip
from scenivid.video.color import has_alpha
from scenivid.video.container import first_frame, is_pipe, open_container, video_stream
from scenivid.video.describe import describe, orientation
from scenivid.video.info import VideoInfo
from scenivid.video.reading import images
from scenivid.video.reading.decord_reader import decord_reader, first_frame_of, most_frames
from scenivid.video.reading.pyav_reader import ONE_TO_ONE, clips_of, pipe_reader, pyav_clips, pyav_reader
from scenivid.video.reading.reader import VideoReader
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.reading.timeline import Timeline, milliseconds, read_timeline

DECODERS = ("auto", "decord", "pyav")
"""What `open_video` accepts."""

AGREEMENT = 1.0
"""Mean absolute difference, in 1/255, up to which decord's first frame counts as the right one."""


def probe(path: Path) -> VideoInfo:
    """What a video file, a folder of frames or a still image says about itself.

    Raises:
        InputError: it can't be read.
    """
    if is_pipe(path):
        raise InputError(f"{path}: a pipe can't be looked at without using it up")
    if _is_frames(path):
        return images.describe_frames(path)
    return _probe(path)[0]


def open_video(
    path: Path,
    decoder: str = "auto",
    start: Fraction | None = None,
    duration: Fraction | None = None,
    how: ReadSettings | None = None,
) -> VideoReader:
    """Open a video file, a folder of frames or a still image for reading.

    Args:
        path: the source.
        decoder: 'auto', 'decord' or 'pyav'.
        start: skip the frames that begin earlier than this many seconds after the first.
        duration: end this many seconds after `start`.
        how: limits, and what to do about damage and interlacing; None for the defaults.

    Raises:
        InputError: it can't be read, ends too early, or holds no frame in the part asked for.
        ConfigError: no such decoder, a negative start, an empty duration.
    """
    if decoder not in DECODERS:
        raise ConfigError(f"decoder must be one of {', '.join(DECODERS)}, got {decoder!r}")
    if start is not None and start < 0:
        raise ConfigError(f"start must not be negative, got {float(start)} s")
    if duration is not None and duration <= 0:
        raise ConfigError(f"duration must be positive, got {float(duration)} s")
    if _is_frames(path):
        info = images.describe_frames(path)
        return images.images_reader(info, _image_window(info, start, duration))
    if is_pipe(path):
        if decoder == "decord" or start or duration is not None:
            raise InputError(f"{path}: a pipe can only be read whole, and only by --decoder pyav")
        return pipe_reader(path)
    info, frame = _probe(path)
    with open_container(path) as container:
        timeline = read_timeline(container, video_stream(container, path), path)
    if timeline is None:
        if decoder == "decord" or start or duration is not None:
            raise InputError(
                f"{path}: its packets carry no times; only --decoder pyav can read it, and only whole"
            )
        return pyav_reader(info, None, None, "packets without times")
    info = _timed(info, timeline)
    window = _window(info, timeline, start, duration)
    if decoder == "decord":
        return decord_reader(info, timeline, window, "asked for")
    reason = "asked for" if decoder == "pyav" else _why_not_decord(info, frame, timeline, window)
    if reason:
        return pyav_reader(info, timeline, window, reason)

    def instead(left: range, batch: int) -> Generator[Clip, None, None]:
        return pyav_clips(info, timeline, left, batch)

    return decord_reader(info, timeline, window, "8 bits", instead)


def _is_frames(path: Path) -> bool:
    if path.is_dir():
        return True
    still = path.suffix.lower() in images.SUFFIXES and path.is_file()
    return still and not images.is_animated(path)


def _probe(path: Path) -> tuple[VideoInfo, VideoFrame]:
    with open_container(path) as container:
        stream = video_stream(container, path)
        frame = first_frame(container, stream, path)
        return describe(container, stream, frame, path), frame


def _why_not_decord(info: VideoInfo, frame: VideoFrame, timeline: Timeline, window: range) -> str | None:
    """What decord would lose, cheapest question first; None if nothing."""
    if info.color.hdr:
        return "HDR"
    if info.bit_depth > 8:
        return f"{info.bit_depth} bits"
    if has_alpha(frame.format):
        return "transparency"
    if info.codec not in ONE_TO_ONE:
        return f"{info.codec}: packets aren't frames"
    if not info.container.startswith(("mov,", "matroska,")) or (
        info.container.startswith("matroska,") and info.codec == "vp9"  # as browsers record
    ):
        return "a stream whose size may change, which decord would scale"
    if timeline.hidden or timeline.incomplete:
        return "packets that aren't shown" if timeline.hidden else "an incomplete file"
    if orientation(frame, info.path)[1]:
        return "a mirrored picture"
    if not info.color.tagged and info.color.matrix not in {"smpte170m", "gbr"}:
        return f"no colour tags, taken for {info.color.matrix}"
    if len(timeline) > most_frames(info):
        return f"{len(timeline)} frames: decord would read ahead without bound"
    if timeline.open_groups and window.start:
        return "groups of pictures that lean on each other"
    return _why_not_equal(info, frame, timeline)


def _why_not_equal(info: VideoInfo, frame: VideoFrame, timeline: Timeline) -> str | None:
    """Decode the first frame both ways: a wrong stream, matrix, range or rotation shows."""
    ours = next(clips_of(iter([frame]), info, 1)).pixels[0]
    try:
        theirs = first_frame_of(info, timeline)
    except InputError as exc:
        return str(exc).removeprefix(f"{info.path}: ").partition(";")[0]
    difference = float((ours.short() - theirs.short()).abs().float().mean())
    return f"decord's colours are off by {difference:.1f}/255" if difference > AGREEMENT else None


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


def _window(info: VideoInfo, timeline: Timeline, start: Fraction | None, duration: Fraction | None) -> range:
    window = timeline.window(start, duration)
    if timeline.incomplete:
        end = timeline.seconds(len(timeline))
        if duration is None or (start or 0) + duration > end:
            announced = f" of the {timeline.announced} frames announced" if timeline.announced else " frames"
            raise InputError(
                f"{info.path}: incomplete: the data end after {len(timeline)}{announced};"
                f" add --duration {milliseconds(end)} to use what there is"
            )
    if not window:
        raise _empty(info, start)
    return window


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
