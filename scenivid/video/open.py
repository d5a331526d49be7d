"""Open any source of frames: which reader, and why."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from scenivid.errors import ConfigError, InputError
from scenivid.video import images
from scenivid.video.container import describe, first_frame, open_container, video_stream
from scenivid.video.info import VideoInfo
from scenivid.video.pyav_reader import pyav_reader
from scenivid.video.reader import VideoReader
from scenivid.video.timeline import read_timeline

DECODERS = ("auto", "decord", "pyav")
"""What `open_video` accepts."""


def probe(path: Path) -> VideoInfo:
    """What a video file, a folder of frames or a still image says about itself.

    Raises:
        InputError: it can't be read.
    """
    if _is_frames(path):
        return images.describe_frames(path)
    with open_container(path) as container:
        stream = video_stream(container, path)
        return describe(container, stream, first_frame(container, stream, path), path)


def open_video(
    path: Path,
    decoder: str = "auto",
    start: Fraction | None = None,
    duration: Fraction | None = None,
) -> VideoReader:
    """Open a video file, a folder of frames or a still image for reading.

    Args:
        path: the source.
        decoder: 'auto', 'decord' or 'pyav'.
        start: skip the frames that begin earlier than this many seconds after the first.
        duration: end this many seconds after `start`.

    Raises:
        InputError: it can't be read, is damaged, or holds no frame in the window.
        ConfigError: no such decoder, a negative start, an empty duration.
    """
    if decoder not in DECODERS:
        raise ConfigError(f"decoder must be one of {', '.join(DECODERS)}, got {decoder!r}")
    if start is not None and start < 0:
        raise ConfigError(f"start must not be negative, got {float(start)} s")
    if duration is not None and duration <= 0:
        raise ConfigError(f"duration must be positive, got {float(duration)} s")
    info = probe(path)
    if info.container == "frames":
        return images.images_reader(info, _not_empty(_image_window(info, start, duration), info, start))
    with open_container(path) as container:
        stream = video_stream(container, path)
        timeline = read_timeline(container, stream, path)
    window: range | None = None
    if timeline is not None:
        info = replace(info, frames=len(timeline))
        window = _not_empty(timeline.window(start, duration), info, start)
    return pyav_reader(info, timeline, window, "")


def _is_frames(path: Path) -> bool:
    if path.is_dir():
        return True
    return path.suffix.lower() in images.SUFFIXES and path.is_file()


def _image_window(info: VideoInfo, start: Fraction | None, duration: Fraction | None) -> range:
    count = info.frames or 0
    first = min(count, -(-((start or Fraction(0)) * info.rate_hz) // 1))
    last = count
    if duration is not None:
        last = min(count, -(-(((start or Fraction(0)) + duration) * info.rate_hz) // 1))
    return range(int(first), int(max(first, last)))


def _not_empty(window: range, info: VideoInfo, start: Fraction | None) -> range:
    if not window:
        length = f"{float(info.duration):.3f} s" if info.duration is not None else "unknown"
        raise InputError(
            f"{info.path}: no frame begins in the part asked for"
            f" (start {float(start or 0):.3f} s, length of the video {length})"
        )
    return window
