"""What a container and its first decoded frame say about a video."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

from av.buffer import Buffer
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.video.color import bits, color_info, has_alpha
from scenivid.video.info import AudioInfo, ColorInfo, VideoInfo

_MICROSECOND = Fraction(1, 1_000_000)
_CHROMA = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411", (4, 4): "420"}


def describe(container: InputContainer, stream: VideoStream, frame: VideoFrame, path: Path) -> VideoInfo:
    """What the container and the first decoded frame say about the stream.

    Raises:
        InputError: the picture is turned by an angle that isn't a multiple of 90 degrees.
    """
    layout = frame.format
    color = color_info(
        layout,
        frame.width,
        frame.height,
        matrix=int(frame.colorspace),
        color_range=int(frame.color_range),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )
    if _dolby_vision_5(stream, frame, color):
        color = replace(color, remarks=(*color.remarks, _DOLBY_VISION_5))
    rotation, _ = orientation(frame, path)
    upright = rotation in (0, 180)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if aspect <= 0:
        aspect = Fraction(1)
    time_base = stream.time_base or frame.time_base or _MICROSECOND
    duration = None
    if stream.duration:
        duration = stream.duration * time_base
    elif container.duration:
        duration = container.duration * _MICROSECOND
        if "matroska" in container.format.name:  # counts from zero, not from the first frame
            duration -= max(0, container.start_time or 0) * _MICROSECOND
    return VideoInfo(
        path=path,
        width=frame.width if upright else frame.height,
        height=frame.height if upright else frame.width,
        rotation=rotation,
        sample_aspect=aspect if upright else 1 / aspect,
        rate_hz=stream.average_rate or stream.guessed_rate or Fraction(25),
        frames=stream.frames or None,
        duration=duration,
        start=(frame.pts or 0) * time_base,
        time_base=time_base,
        bit_depth=next(depth for depth in (8, 10, 12, 16) if bits(layout) <= depth),
        chroma=_chroma(layout),
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
        stream_index=stream.index,
        color=color,
        audio=tuple(
            AudioInfo(
                codec=track.codec_context.codec.canonical_name,
                channels=track.codec_context.channels,
                sample_rate_hz=track.codec_context.sample_rate or 0,
                language=None if track.language == "und" else track.language,
            )
            for track in container.streams.audio
            if track.codec_context is not None
        ),
        subtitles=len(container.streams.subtitles),
        alpha=_transparent(frame),
    )


def orientation(frame: VideoFrame, path: Path) -> tuple[int, bool]:
    """How to make `frame` upright: mirror it left to right if told so, then turn it clockwise.

    Returns:
        Degrees clockwise (0, 90, 180, 270), and whether to mirror first.

    Raises:
        InputError: any other angle.
    """
    try:
        side_data = cast(Mapping[Type, Buffer], frame.side_data)
    except ValueError:  # PyAV knows not every kind of side data, and then gives none of it
        return round(-frame.rotation) % 360 // 90 * 90, False
    data = side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return 0, False
    # x' = a·x + c·y, y' = b·x + d·y, in 16.16 fixed point, rows (a b u)(c d v)(x y w).
    a, b, _, c, d = struct.unpack_from("=5i", bytes(data))
    signs = tuple((value > 0) - (value < 0) for value in (a, b, c, d))
    found = _ORIENTATIONS.get(signs)
    if found is None:
        raise InputError(f"{path}: its display matrix is neither a rotation by 90° steps nor a mirror image")
    return found


_ORIENTATIONS = {
    (1, 0, 0, 1): (0, False),
    (0, 1, -1, 0): (90, False),
    (-1, 0, 0, -1): (180, False),
    (0, -1, 1, 0): (270, False),
    (-1, 0, 0, 1): (0, True),
    (0, -1, -1, 0): (90, True),
    (1, 0, 0, -1): (180, True),
    (0, 1, 1, 0): (270, True),
    (0, 0, 0, 0): (0, False),
}


_DOLBY_VISION_5 = (
    "Dolby Vision profile 5 without a picture for other displays: its colours come out green and violet;"
    " convert it to HDR10 or SDR first"
)


def _dolby_vision_5(stream: VideoStream, frame: VideoFrame, color: ColorInfo) -> bool:
    """Whether the samples are in Dolby's own colours (IPT), which have no tag."""
    if color.tagged or color.hdr:
        return False
    try:
        side_data = cast(Mapping[Type, Buffer], frame.side_data)
        known = any(side_data.get(kind) for kind in (Type.DOVI_METADATA, Type.DOVI_RPU_BUFFER))
    except ValueError:
        known = False
    return known or stream.codec_context.codec_tag in {"dvh1", "dvhe", "dav1"}


def _transparent(frame: VideoFrame) -> bool:
    """Whether the frames have an opacity to keep; palettes all could, so there the first must use it."""
    if not has_alpha(frame.format):
        return False
    if not frame.format.has_palette and frame.format.name not in {"bgra", "rgb32", "rgb32_1"}:
        return True
    return bool((frame.reformat(format="rgba").to_ndarray()[..., 3] < 255).any())


def _chroma(layout: VideoFormat) -> str:
    if layout.is_rgb or layout.has_palette:
        return "rgb"
    if sum(not part.is_alpha for part in layout.components) == 1:
        return "gray"
    # Sizes divisible by every subsampling factor in use.
    across, down = 64 // layout.chroma_width(64), 64 // layout.chroma_height(64)
    return _CHROMA.get((across, down), "420")
