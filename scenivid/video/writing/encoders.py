"""Which encoder, pixel format and quality a result gets."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from fractions import Fraction

import av
import torch
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from scenivid.errors import ConfigError, OutputError
from scenivid.video.info import VideoInfo


@dataclass(frozen=True)
class Encoding:
    """How frames are compressed."""

    codec: str
    encoder: str
    """FFmpeg's name: 'libx264', 'h264_nvenc', …"""
    pix_fmt: str
    options: dict[str, str]
    dtype: torch.dtype
    """Pixels that the writer takes: uint8, or uint16 where more than 8 bits are stored."""
    notes: tuple[str, ...] = ()
    """What differs from the source, in words."""


@dataclass(frozen=True)
class _Codec:
    encoders: tuple[str, ...]
    """The first that this build of FFmpeg has is used."""
    crf: tuple[float, float, float] | None
    """Lowest, highest and default quality number; None where there is no such thing."""
    chromas: tuple[str, ...]
    depths: tuple[int, ...]
    """Bits per component that it can store, the smallest first."""
    options: dict[str, dict[str, str]] = field(default_factory=dict)
    """By encoder."""
    nvenc: str | None = None
    odd_420: bool = False
    """True where 4:2:0 may have an odd width or height."""


# Presets are chosen so that 960x540 encodes several times faster than it is stylised on two cores.
_CODECS = {
    "h264": _Codec(
        ("libx264",),
        (0, 51, 17),
        ("420", "422", "444"),
        (8, 10),
        {"libx264": {"preset": "medium"}},
        nvenc="h264_nvenc",
    ),
    "hevc": _Codec(
        ("libx265",),
        (0, 51, 19),
        ("420", "422", "444"),
        (8, 10),
        # x265 writes to stderr itself, past FFmpeg's log.
        {"libx265": {"preset": "fast", "x265-params": "log-level=none"}},
        nvenc="hevc_nvenc",
    ),
    "av1": _Codec(
        ("libsvtav1", "libaom-av1"),
        (0, 63, 26),
        ("420",),
        (8, 10),
        {"libsvtav1": {"preset": "8"}, "libaom-av1": {"cpu-used": "6", "row-mt": "1"}},
        nvenc="av1_nvenc",
        odd_420=True,
    ),
    "vp9": _Codec(
        ("libvpx-vp9",),
        (0, 63, 24),
        ("420", "422", "444"),
        (8,),
        {"libvpx-vp9": {"deadline": "good", "cpu-used": "4", "row-mt": "1"}},
        odd_420=True,
    ),
    "prores": _Codec(("prores_ks",), None, ("422", "444"), (10,), odd_420=True),
    "ffv1": _Codec(
        ("ffv1",), None, ("rgb",), (8, 16), {"ffv1": {"level": "3", "slices": "4", "slicecrc": "1"}}
    ),
    "gif": _Codec(("gif",), None, ("pal",), (8,)),
}


def encoding_for(codec: str, info: VideoInfo, crf: float | None, device: str) -> Encoding:
    """Decide how `info`'s frames are stored as `codec`.

    Chroma sampling and bit depth follow the source as far as the codec can; 4:2:0 where the source
    doesn't say (RGB, grey). With 4:2:0, H.264 and HEVC hold even sizes only and can't crop by one
    pixel, so an odd size is stored as 4:4:4 rather than losing a row. ffv1 stores RGB: what is
    written is what is read. HDR is tone-mapped before it comes here and is stored in 8 bits.

    Args:
        codec: 'h264', 'hevc', 'av1', 'vp9', 'prores', 'ffv1' or 'gif'.
        info: of the source.
        crf: constant quality, smaller is better; None for the codec's default.
        device: 'cuda' or 'cuda:N' tries NVENC first.

    Raises:
        ConfigError: `crf` is out of range or means nothing to this codec.
        OutputError: this build of FFmpeg has no encoder for `codec`.
    """
    table = _CODECS[codec]
    quality = _quality(codec, table, crf)
    wanted = 8 if info.color.hdr else info.bit_depth
    depth = next((bits for bits in table.depths if bits >= wanted), table.depths[-1])
    chroma = _chroma(table, info)
    notes: list[str] = []
    if info.color.hdr:
        notes.append(f"HDR ({info.color.transfer}) was tone-mapped to SDR, BT.709, 8 bits")
    if depth < wanted:
        notes.append(f"{codec} stores {depth} bits here, the source has {wanted}")
    if info.chroma in {"422", "444"} and table.chromas == ("420",):
        notes.append(f"{codec} stores 4:2:0 chroma, the source has {_colons(info.chroma)}")
    if _odd(info) and chroma == "444" and info.chroma != "444" and codec in {"h264", "hevc"}:
        notes.append(
            f"{info.width}x{info.height} is stored as 4:4:4 so that no row is lost "
            f"({codec} with 4:2:0 needs even sizes); some players can't show it"
        )
    options: dict[str, str] = {}
    encoder = ""
    if device.startswith("cuda") and table.nvenc:
        encoder, options, pix_fmt, reason = _nvenc(table.nvenc, info, chroma, depth, quality)
        if not encoder:
            notes.append(f"{table.nvenc} can't be used ({reason}): encoding on the CPU")
    if not encoder:
        encoder = _software(codec, table)
        pix_fmt = _pix_fmt(codec, chroma, depth)
        options = dict(table.options.get(encoder, {}))
        if quality is not None:
            options["crf"] = f"{quality:g}"
        if codec == "prores":
            options |= {"profile": "4444" if chroma == "444" else "hq", "vendor": "apl0"}
    dtype = torch.uint16 if depth > 8 and wanted > 8 else torch.uint8
    return Encoding(codec, encoder, pix_fmt, options, dtype, tuple(notes))


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
    if info.chroma == "rgb" and "420" not in table.chromas and "444" in table.chromas:
        return "444"
    return table.chromas[0]


def _pix_fmt(codec: str, chroma: str, depth: int) -> str:
    if codec == "ffv1":
        # 16-bit RGB whatever the source's depth: the reader's RGB has that many, and all are kept.
        return "gbrp16le" if depth > 8 else "bgr0"
    if codec == "gif":
        return "pal8"
    return f"yuv{chroma}p" if depth == 8 else f"yuv{chroma}p{depth}le"


def _software(codec: str, table: _Codec) -> str:
    for name in table.encoders:
        with contextlib.suppress(ValueError):  # PyAV's UnknownCodecError is one
            return av.Codec(name, "w").name
    raise OutputError(
        f"this build of PyAV has no encoder for {codec} ({', '.join(table.encoders)}): choose another"
    )


def _nvenc(
    name: str, info: VideoInfo, chroma: str, depth: int, quality: float | None
) -> tuple[str, dict[str, str], str, str]:
    """Encoder name ('' if it can't be used), options, pixel format and the reason why not."""
    pix_fmt = {("420", 8): "yuv420p", ("420", 10): "p010le", ("444", 8): "yuv444p"}.get((chroma, depth), "")
    options = {"preset": "p5", "tune": "hq", "rc": "vbr", "cq": f"{quality:g}", "b": "0"}
    if not pix_fmt or _odd(info):
        return "", {}, "", f"no {_colons(chroma)} with {depth} bits at this size"
    try:
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = info.width, info.height, pix_fmt
        context.time_base = Fraction(1, 25)
        context.options = dict(options)
        context.open()
    except (FFmpegError, ValueError) as exc:
        return "", {}, "", getattr(exc, "strerror", None) or "not in this build of PyAV"
    return name, options, pix_fmt, ""


def _odd(info: VideoInfo) -> bool:
    return bool(info.width % 2 or info.height % 2)


def _colons(chroma: str) -> str:
    return ":".join(chroma)
