"""In which pixel format a result is stored, what that loses, and which ones may be asked for."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

import av

from scenivid.errors import ConfigError
from scenivid.video.info import VideoInfo
from scenivid.video.writing.encoding.codecs import Codec

_ASKED = re.compile(r"(yuva?4(20|22|44)p|gbra?p)(\d\d)?(le)?|bgr0|bgra|rgba?|rgb24")
"""Pixel formats that frames are made into."""
_HELD_BY = {"411": "422", "440": "444"}
"""What is stored where a source's sampling can't be: the next that keeps all of it."""


def chroma_for(table: Codec, info: VideoInfo) -> str:
    """How finely colour is sampled: "420", "422", "444", "rgb" or "pal"."""
    if "420" in table.chromas and odd(info) and not table.odd_420:
        return "444"
    if info.width % 2 and not table.odd_422:
        return "444"
    sampled = _HELD_BY.get(info.chroma, info.chroma)
    if sampled in table.chromas:
        return sampled
    if info.chroma == "rgb" and "444" in table.chromas:
        return "444"
    return table.chromas[0]


def format_for(codec: str, table: Codec, info: VideoInfo, chroma: str, depth: int) -> str:
    """The pixel format, by FFmpeg's name, where nobody asks for one."""
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


def losses(
    codec: str, table: Codec, info: VideoInfo, pix_fmt: str, chroma: str, depth: int, wanted: int
) -> list[str]:
    """What players' habits cost, and how to keep it."""
    sampled = _HELD_BY.get(info.chroma, info.chroma)
    fewer = sampled in {"422", "444"} and chroma == "420"
    shallower = depth < wanted
    notes = []
    if fewer or shallower:
        kept = f"yuv{sampled if sampled in {'422', '444'} else '420'}p{'10' if wanted > 8 else ''}"
        source = " ".join(
            ([_colons(info.chroma)] if fewer else []) + ([f"{wanted} bits"] if shallower else [])
        )
        way = f"--pixel-format {kept} keeps more" if _has(table, kept) else "ffv1 in .mkv keeps all"
        notes.append(
            f"stored as {_colons(chroma)}, {depth} bits, which players show (source: {source}); {way}"
        )
    if odd(info) and chroma == "444" and info.chroma != "444" and codec in {"h264", "hevc"}:
        notes.append(
            f"{info.width}x{info.height} is stored as 4:4:4 so that no row is lost "
            f"({codec} with 4:2:0 needs even sizes); some players can't show it"
        )
    return notes


def asked_for(name: str, codec: str, table: Codec, info: VideoInfo) -> str:
    """The pixel format that the user named, by FFmpeg's full name."""
    known = [each for each in _formats(table) if _ASKED.fullmatch(each)]
    found = next((each for each in (name, f"{name}le") if each in known), None)
    if found is None:
        raise ConfigError(f"--pixel-format {name} can't be stored as {codec}; use one of {', '.join(known)}")
    if "420" in found and odd(info) and not table.odd_420:
        raise ConfigError(
            f"--pixel-format {name}: {codec} with 4:2:0 needs even sizes, the source is "
            f"{info.width}x{info.height}; leave it out"
        )
    if "422" in found and info.width % 2 and not table.odd_422:
        raise ConfigError(
            f"--pixel-format {name}: {codec} with 4:2:2 needs an even width, the source is "
            f"{info.width}x{info.height}; leave it out"
        )
    return found


def _formats(table: Codec) -> Sequence[str]:
    if table.formats:
        return table.formats
    for name in table.encoders:
        with contextlib.suppress(ValueError):
            return [each.name for each in av.Codec(name, "w").video_formats or ()]
    return []


def _has(table: Codec, name: str) -> bool:
    return bool({name, f"{name}le"} & set(_formats(table)))


def odd(info: VideoInfo) -> bool:
    """Whether 4:2:0 would halve a side that has no half."""
    return bool(info.width % 2 or info.height % 2)


def _colons(chroma: str) -> str:
    return ":".join(chroma)
