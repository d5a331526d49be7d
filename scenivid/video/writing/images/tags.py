"""What a photograph says beside its pixels: colour profile and camera data, kept in PNG, JPEG and WebP."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from scenivid.video.headers import webp

_ORIENTATION = 0x0112
_TURNED = {".jpg", ".jpeg"}
"""Pictures that the reader has turned upright already."""
_UNREADABLE = (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError)
_STORAGE = {*range(254, 260), 262, 266, 273, *range(277, 280), 284, 317, *range(320, 326), 330, 338, 339, 347,
            *range(529, 533), 700, 34377, 34675}  # fmt: skip
"""Tags of TIFF that say how its pixels lie in the file: nothing about the picture. The profile is apart."""
_SEGMENT = 65000
"""Bytes of a profile in one segment of a JPEG, which ends at 65,533."""


@dataclass(frozen=True)
class ImageTags:
    """Both empty where the source has none."""

    profile: bytes = b""
    """ICC, of RGB."""
    exif: bytes = b""
    """From its TIFF header on."""


def read_tags(path: Path) -> ImageTags:
    """The tags of a picture; none where it can't be read, no profile of other colours than RGB."""
    with contextlib.suppress(*_UNREADABLE), Image.open(path) as image:
        profile = image.info.get("icc_profile") or b""
        exif = image.getexif()
        if path.suffix.lower() in _TURNED and _ORIENTATION in exif:
            exif[_ORIENTATION] = 1
        for tag in _STORAGE.intersection(exif):
            del exif[tag]
        body = exif.tobytes().removeprefix(b"Exif\0\0") if exif else b""
        return ImageTags(profile if profile[16:20] == b"RGB " else b"", body)
    return ImageTags()


def with_tags(data: bytes, suffix: str, tags: ImageTags) -> bytes | None:
    """The image file `data` with the tags in it; None where its format has no place for them."""
    if suffix == ".png":
        chunks = b""
        if tags.profile:
            chunks += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(tags.profile))
        if tags.exif:
            chunks += _chunk(b"eXIf", tags.exif)
        return data[:33] + chunks + data[33:]  # after the signature and the header
    if suffix in {".jpg", ".jpeg"}:
        segments = b""
        if tags.exif and len(tags.exif) <= _SEGMENT:
            segments += _segment(0xE1, b"Exif\0\0" + tags.exif)
        pieces = [tags.profile[at : at + _SEGMENT] for at in range(0, len(tags.profile), _SEGMENT)]
        for number, piece in enumerate(pieces, 1):
            segments += _segment(0xE2, b"ICC_PROFILE\0" + bytes((number, len(pieces))) + piece)
        return data[:2] + segments + data[2:]
    if suffix == ".webp":
        return webp.with_tags(data, tags.profile, tags.exif) if data else data
    return None


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
