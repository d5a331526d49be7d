"""NVIDIA's encoders, tried before they are used."""

from __future__ import annotations

from fractions import Fraction

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from scenivid.video.info import VideoInfo
from scenivid.video.writing.encoding.pixel_formats import odd
from scenivid.video.writing.encoding.presets import preset_options

FORMATS = {"yuv420p": "yuv420p", "yuv420p10le": "p010le", "yuv444p": "yuv444p"}
"""NVENC's name of each pixel format that it takes."""


def settings_for(
    name: str, info: VideoInfo, pix_fmt: str, quality: float | None, preset: str
) -> tuple[str, dict[str, str], str]:
    """Encoder name ('' if it can't be used), options and the reason why not."""
    stored = FORMATS.get(pix_fmt)
    options = {"tune": "hq", "rc": "vbr", "cq": f"{quality:g}", "b": "0"} | preset_options(name, preset)
    if stored is None or odd(info):
        return "", {}, f"no {pix_fmt} at this size"
    try:
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = info.width, info.height, stored
        context.time_base = Fraction(1, 25)
        context.options = dict(options)
        context.open()
    except (FFmpegError, ValueError) as exc:
        return "", {}, getattr(exc, "strerror", None) or "not in this build of PyAV"
    return name, options, ""
