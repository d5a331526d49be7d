"""Which encoder, pixel format and quality a result gets."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat

from scenivid.errors import ConfigError, OutputError
from scenivid.lazy import torch
from scenivid.video.color import bits, has_alpha
from scenivid.video.info import VideoInfo
from scenivid.video.writing.encoding.presets import PAINTED, preset_options


@dataclass(frozen=True)
class Encoding:
    """How frames are compressed."""

    codec: str
    encoder: str
    """FFmpeg's name: 'libx264', 'h264_nvenc', …"""
    pix_fmt: str
    options: dict[str, str]
    deep: bool
    """Whether more than 8 bits are stored."""
    notes: tuple[str, ...] = ()
    """What differs from the source, in words."""

    def threads(self, height: int) -> int:
        """Threads of the encoder; 0 leaves them to it.

        Where the bytes depend on them, it must not be the machine that decides. Each holds frames of its own
        and waits for the others, so that there are no more than encode several times faster than is painted.
        """
        if self.encoder == "libx264":
            return max(2, min(6, round(height / 360)))
        return 3 if self.encoder == "libx265" else 0

    @property
    def dtype(self) -> torch.dtype:
        """Pixels that the writer takes: uint8, or uint16 where more than 8 bits are stored."""
        return torch.uint16 if self.deep else torch.uint8

    @property
    def restartable(self) -> bool:
        """Whether pieces of several encoders make one track: not where packets are more than their bytes."""
        if self.codec == "vp9" and has_alpha(VideoFormat(self.pix_fmt)):
            return False
        return self.codec not in _MOVING_PICTURES


@dataclass(frozen=True)
class _Codec:
    encoders: tuple[str, ...]
    """The first that this build of FFmpeg has is used."""
    crf: tuple[float, float, float] | None
    """Lowest, highest and default quality number; None where there is no such thing."""
    chromas: tuple[str, ...]
    """Chroma formats used without being asked: 4:2:0 alone where players can't be trusted with more."""
    depths: tuple[int, ...]
    """Bits per component without being asked, the smallest first."""
    preset: str | None = None
    """Preset on the CPU, by default; so quick that 960x540 encodes faster than it is stylised."""
    options: dict[str, dict[str, str]] = field(default_factory=dict)
    """Settings by encoder."""
    nvenc: str | None = None
    odd_420: bool = False
    """Whether 4:2:0 may have an odd width or height."""
    alpha: str | None = None
    """Pixel format that has room for transparency."""
    deep_alpha: str | None = None
    """The same with more than 8 bits, where there is one."""
    formats: tuple[str, ...] = ()
    """Pixel formats that it takes, where FFmpeg doesn't say."""


_CODECS = {
    "h264": _Codec(
        ("libx264",),
        (0, 51, 17),
        ("420",),
        (8,),
        "veryfast",
        # Else its rate control isn't the same on every processor, nor, in small frames, on every run.
        {"libx264": {"x264-params": "cpu-independent=1"}},
        nvenc="h264_nvenc",
    ),
    "hevc": _Codec(
        ("libx265",),
        (0, 51, 19),
        ("420",),
        (8, 10),
        "fast",
        # x265 writes to stderr itself, past FFmpeg's log.
        {"libx265": {"x265-params": "log-level=none"}},
        nvenc="hevc_nvenc",
    ),
    "av1": _Codec(
        ("libsvtav1", "libaom-av1"),
        (0, 63, 26),
        ("420",),
        (8, 10),
        "fast",
        {"libaom-av1": {"row-mt": "1"}},
        nvenc="av1_nvenc",
        odd_420=True,
    ),
    "vp9": _Codec(
        ("libvpx-vp9",),
        (0, 63, 24),
        ("420",),
        (8,),
        "fast",
        {"libvpx-vp9": {"deadline": "good", "row-mt": "1"}},
        odd_420=True,
        alpha="yuva420p",
    ),
    "prores": _Codec(
        ("prores_ks",),
        None,
        ("422", "444"),
        (10,),
        odd_420=True,
        alpha="yuva444p10le",
        deep_alpha="yuva444p10le",
    ),
    "ffv1": _Codec(
        ("ffv1",),
        None,
        ("rgb",),
        (8, 16),
        options={"ffv1": {"level": "3", "slices": "4", "slicecrc": "1"}},
        alpha="bgra",
        deep_alpha="gbrap16le",
    ),
    "gif": _Codec(("gif",), None, ("pal",), (8,)),
    "apng": _Codec(
        ("apng",),
        None,
        ("rgb",),
        (8, 16),
        alpha="rgba",
        deep_alpha="rgba64be",
        options={"apng": {"pred": "mixed"}},
    ),
    "y4m": _Codec(
        ("rawvideo",),
        None,
        ("420", "422", "444"),
        (8, 10, 12, 16),
        odd_420=True,
        formats=tuple(
            f"yuv{chroma}p{depth}"
            for depth in ("", "10le", "12le", "16le")
            for chroma in ("420", "422", "444")
        ),
    ),
}
_ASKED = re.compile(r"(yuva?4(20|22|44)p|gbra?p)(\d\d)?(le)?|bgr0|bgra|rgba?|rgb24")
"""Pixel formats that frames are made into."""


_MOVING_PICTURES = frozenset(("gif", "apng", "webp"))


def encoding_for(
    codec: str,
    info: VideoInfo,
    crf: float | None,
    device: str,
    *,
    preset: str | None = None,
    pixel_format: str | None = None,
) -> Encoding:
    """Decide how `info`'s frames are stored as `codec`.

    H.264, HEVC, AV1 and VP9 become what every player shows: 4:2:0, 8 bits (10 for HEVC and AV1 where the
    source has more than 8: it is their main profile). ProRes and FFV1 follow the source's chroma sampling
    and depth; ffv1 stores RGB: what is written is what is read. With 4:2:0, H.264 and HEVC hold even sizes
    only and can't crop by one pixel, so an odd size is stored as 4:4:4 rather than losing a row. HDR is
    tone-mapped before it comes here and is stored in 8 bits.

    Args:
        codec: 'h264', 'hevc', 'av1', 'vp9', 'prores', 'ffv1', 'gif', 'apng' or 'y4m'.
        info: of the source.
        crf: constant quality, smaller is better; None for the codec's default.
        device: 'cuda' or 'cuda:N' tries NVENC first.
        preset: one of PRESETS; None for the codec's default.
        pixel_format: FFmpeg's name of what to store instead: 'yuv422p', 'yuv420p10', …

    Raises:
        ConfigError: `crf`, `preset` or `pixel_format` is out of range or means nothing to this codec.
        OutputError: this build of FFmpeg has no encoder for `codec`.
    """
    table = _CODECS[codec]
    quality = _quality(codec, table, crf)
    if preset is not None:
        preset_options(table.encoders[0], preset)
    notes: list[str] = []
    if info.color.hdr:
        notes.append(f"HDR ({info.color.transfer}) was tone-mapped to SDR, BT.709, 8 bits")
    wanted = 8 if info.color.hdr else info.bit_depth
    depth = next((count for count in table.depths if count >= wanted), table.depths[-1])
    chroma = _chroma(table, info)
    if pixel_format is None:
        pix_fmt = _pix_fmt(codec, table, info, chroma, depth)
        notes += _losses(codec, table, info, pix_fmt, chroma, depth, wanted)
    else:
        pix_fmt = _asked(pixel_format, codec, table, info)
        depth = bits(VideoFormat(pix_fmt))
        wanted = max(wanted, depth)  # what is painted has more levels than the source
    if info.alpha and not has_alpha(VideoFormat(pix_fmt)):
        notes.append(f"{codec} as {pix_fmt} can't hold transparency: it was laid on black")
    if info.alpha and codec == "gif":
        notes.append("gif knows only transparent and opaque: what is half transparent became either")
    options: dict[str, str] = {}
    encoder = ""
    if device.startswith("cuda") and table.nvenc:
        encoder, options, reason = _nvenc(table.nvenc, info, pix_fmt, quality, preset or "medium")
        if not encoder:
            notes.append(f"{table.nvenc} can't be used ({reason}): encoding on the CPU")
    if encoder:
        pix_fmt = _NVENC_FORMATS[pix_fmt]
    else:
        encoder = _software(codec, table)
        options = dict(table.options.get(encoder, {}))
        chosen = preset or table.preset
        if chosen is not None:
            options |= preset_options(encoder, chosen)
        if preset is None and encoder == "libx264":
            options["x264-params"] += f":{PAINTED}"
        if quality is not None:
            options["crf"] = f"{quality:g}"
        if codec == "prores":
            options |= {"profile": "4444" if "444" in pix_fmt else "hq", "vendor": "apl0"}
        if encoder == "libvpx-vp9" and has_alpha(VideoFormat(pix_fmt)):
            options["auto-alt-ref"] = "0"  # its hidden frames have no place for transparency
    return Encoding(codec, encoder, pix_fmt, options, depth > 8 and wanted > 8, tuple(notes))


def _quality(codec: str, table: _Codec, crf: float | None) -> float | None:
    if table.crf is None:
        if crf is not None:
            raise ConfigError(f"--crf means nothing to {codec}, which has one quality only: leave it out")
        return None
    low, high, default = table.crf
    if crf is None:
        return default
    if not low <= crf <= high:
        raise ConfigError(f"--crf {crf:g} is outside {low:g}..{high:g}, the range of {codec}")
    return crf


def _chroma(table: _Codec, info: VideoInfo) -> str:
    if "420" in table.chromas and _odd(info) and not table.odd_420:
        return "444"
    if info.chroma in table.chromas:
        return info.chroma
    if info.chroma == "rgb" and "444" in table.chromas:
        return "444"
    return table.chromas[0]


def _pix_fmt(codec: str, table: _Codec, info: VideoInfo, chroma: str, depth: int) -> str:
    if info.alpha and table.alpha is not None:
        return table.deep_alpha if depth > 8 and table.deep_alpha is not None else table.alpha
    if codec == "ffv1":
        # 16-bit RGB whatever the source's depth: the reader's RGB has that many, and all are kept.
        return "gbrp16le" if depth > 8 else "bgr0"
    if codec == "apng":
        return "rgb48be" if depth > 8 else "rgb24"
    if codec == "gif":
        return "pal8"
    return f"yuv{chroma}p" if depth == 8 else f"yuv{chroma}p{depth}le"


def _losses(
    codec: str, table: _Codec, info: VideoInfo, pix_fmt: str, chroma: str, depth: int, wanted: int
) -> list[str]:
    """What players' habits cost, and how to keep it."""
    fewer = info.chroma in {"422", "444"} and chroma == "420"
    shallower = depth < wanted
    notes = []
    if fewer or shallower:
        kept = f"yuv{info.chroma if info.chroma in {'422', '444'} else '420'}p{'10' if wanted > 8 else ''}"
        source = " ".join(
            ([_colons(info.chroma)] if fewer else []) + ([f"{wanted} bits"] if shallower else [])
        )
        way = f"--pixel-format {kept} keeps more" if _has(table, kept) else "ffv1 in .mkv keeps all"
        notes.append(
            f"stored as {_colons(chroma)}, {depth} bits, which players show (source: {source}); {way}"
        )
    if _odd(info) and chroma == "444" and info.chroma != "444" and codec in {"h264", "hevc"}:
        notes.append(
            f"{info.width}x{info.height} is stored as 4:4:4 so that no row is lost "
            f"({codec} with 4:2:0 needs even sizes); some players can't show it"
        )
    return notes


def _asked(name: str, codec: str, table: _Codec, info: VideoInfo) -> str:
    """The pixel format that the user named, by FFmpeg's full name."""
    known = [each for each in _formats(table) if _ASKED.fullmatch(each)]
    found = next((each for each in (name, f"{name}le") if each in known), None)
    if found is None:
        raise ConfigError(f"--pixel-format {name} can't be stored as {codec}; use one of {', '.join(known)}")
    if "420" in found and _odd(info) and not table.odd_420:
        raise ConfigError(
            f"--pixel-format {name}: {codec} with 4:2:0 needs even sizes, the source is "
            f"{info.width}x{info.height}; leave it out"
        )
    return found


def _formats(table: _Codec) -> Sequence[str]:
    if table.formats:
        return table.formats
    for name in table.encoders:
        with contextlib.suppress(ValueError):
            return [each.name for each in av.Codec(name, "w").video_formats or ()]
    return []


def _has(table: _Codec, name: str) -> bool:
    return bool({name, f"{name}le"} & set(_formats(table)))


def _software(codec: str, table: _Codec) -> str:
    for name in table.encoders:
        with contextlib.suppress(ValueError):  # PyAV's UnknownCodecError is one
            return av.Codec(name, "w").name
    raise OutputError(
        f"this build of PyAV has no encoder for {codec} ({', '.join(table.encoders)}): choose another"
    )


_NVENC_FORMATS = {"yuv420p": "yuv420p", "yuv420p10le": "p010le", "yuv444p": "yuv444p"}


def _nvenc(
    name: str, info: VideoInfo, pix_fmt: str, quality: float | None, preset: str
) -> tuple[str, dict[str, str], str]:
    """Encoder name ('' if it can't be used), options and the reason why not."""
    stored = _NVENC_FORMATS.get(pix_fmt)
    options = {"tune": "hq", "rc": "vbr", "cq": f"{quality:g}", "b": "0"} | preset_options(name, preset)
    if stored is None or _odd(info):
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


def _odd(info: VideoInfo) -> bool:
    return bool(info.width % 2 or info.height % 2)


def _colons(chroma: str) -> str:
    return ":".join(chroma)
