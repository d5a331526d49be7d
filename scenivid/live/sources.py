"""Cameras, files and addresses as frames in their own time."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame

from scenivid.errors import InputError
from scenivid.pixels import Clip
from scenivid.video.container import DEMUXERS, check_size, decoder_limits, is_pipe, video_stream
from scenivid.video.describe import describe
from scenivid.video.open import open_video
from scenivid.video.reading.clips import clips_of
from scenivid.video.reading.decoding import decode
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.tonemap import tonemap

SCHEMES = ("http", "https", "rtsp")
"""Addresses that may be opened: only ever the one that the user has typed."""
_PROTOCOLS = "http,https,httpproxy,tls,tcp,rtsp,rtp,udp"
"""What those may use underneath; never files."""
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_PATIENCE_S = 10.0


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame of a stream."""

    pixels: npt.NDArray[Any]
    """RGB, uint8, [H, W, 3]."""
    due: Fraction | None
    """When it is to be shown, in seconds after the first; None where it comes when it is due."""


def shots(source: str, how: ReadSettings | None = None) -> Generator[Shot, None, None]:
    """The frames of a camera ('0', '/dev/video0'), an address, a file or `-`.

    Files say when each frame is due; cameras and live addresses give it when it is.

    Raises:
        InputError: it can't be opened, or the address is of a kind that is not.
    """
    how = how or ReadSettings()
    found = _ADDRESS.match(source)
    if found is not None:
        scheme = found[1].lower()
        if scheme not in SCHEMES:
            raise InputError(f"{shown(source)}: only {', '.join(SCHEMES)} addresses can be watched")
        return _address(source, how)
    if source.isdecimal() or Path(source).is_char_device():
        return _camera(source)
    return _file(Path(source), how)


def shown(source: str) -> str:
    """The name of a source for people: without the password that an address may hold."""
    if _ADDRESS.match(source) is None:
        return source
    with suppress(ValueError):
        parts = urlsplit(source)
        if parts.username or parts.password:
            return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return source
    return "the address"


def _camera(name: str) -> Generator[Shot, None, None]:
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # our error tells
    try:
        camera = cv2.VideoCapture(int(name) if name.isdecimal() else name)
    finally:
        cv2.utils.logging.setLogLevel(level)
    try:
        if not camera.isOpened():
            raise InputError(
                f"camera {name} can't be opened: is it there, allowed, and not used by another program?"
            )
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an old picture is of no use
        while True:
            came, picture = camera.read()
            if not came:
                return
            yield Shot(np.ascontiguousarray(picture[..., ::-1]), None)
    finally:
        camera.release()


def _file(path: Path, how: ReadSettings) -> Generator[Shot, None, None]:
    live = is_pipe(path)
    with open_video(path, how=how) as reader:
        clips = (tonemap(clip, reader.info) if reader.info.color.hdr else clip for clip in reader.clips(1))
        yield from _shots(clips, reader.info.start, live)


def _address(url: str, how: ReadSettings) -> Generator[Shot, None, None]:
    name = Path(shown(url))
    options = {
        "format_whitelist": f"{DEMUXERS},rtsp,sdp,rtp",
        "protocol_whitelist": _PROTOCOLS,
    }
    try:
        container = av.open(
            url, "r", options=decoder_limits(how.max_pixels), container_options=options, timeout=_PATIENCE_S,
            metadata_errors="replace",
        )  # fmt: skip
    except (av.FFmpegError, OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise InputError(f"{shown(url)}: can't be opened ({reason})") from exc
    with closing(container):
        yield from _contained(container, name, how)


def _contained(container: InputContainer, name: Path, how: ReadSettings) -> Iterator[Shot]:
    stream = video_stream(container, name)
    check_size(stream, name, how.max_pixels)
    live = container.duration is None
    frames = decode(container, stream, name, failed=lambda: None)
    head = next(frames, None)
    if head is None:
        raise InputError(f"{name}: no frame came out of it")
    info = describe(container, stream, head, name)

    def timed() -> Iterator[VideoFrame]:
        yield _stamped(head, 0)
        for number, frame in zip(count(1), frames, strict=False):
            yield _stamped(frame, number)

    clips = clips_of(timed(), info, 1, Findings(name))
    yield from _shots((tonemap(c, info) if info.color.hdr else c for c in clips), info.start, live)


def _stamped(frame: VideoFrame, number: int) -> VideoFrame:
    if frame.pts is None:
        frame.pts = number
    return frame


def _shots(clips: Iterator[Clip], start: Fraction, live: bool) -> Iterator[Shot]:
    for clip in clips:
        pixels = clip.pixels[0].permute(1, 2, 0).numpy()
        if pixels.dtype != np.uint8:
            pixels = (pixels >> 8).astype(np.uint8)
        yield Shot(np.ascontiguousarray(pixels), None if live else max(Fraction(0), clip.pts[0] - start))
