"""WebP files as chunks: what a still one holds, and how pictures become a moving one."""

from __future__ import annotations

from collections.abc import Iterator

LARGEST_SIDE = 16383
_ICC, _ALPHA, _EXIF, _MOVING = 0x20, 0x10, 0x08, 0x02
_REPLACE = 0x02
"""A frame takes the place of what was there, instead of lying on it."""
_LONGEST_MS = 2**24 - 1


def header(width: int, height: int, alpha: bool, plays: int = 0) -> bytes:
    """The beginning of a moving picture shown so often (0: for ever), but for the size of the file."""
    shown = bytes(4) + min(plays, 2**16 - 1).to_bytes(2, "little")  # after the colour behind it
    return b"RIFF\0\0\0\0WEBP" + _features(_MOVING | alpha * _ALPHA, width, height) + chunk(b"ANIM", shown)


def size_field(length: int) -> bytes:
    """What stands at byte 4 of a file of `length` bytes."""
    return (length - 8).to_bytes(4, "little")


def frame(still: bytes, width: int, height: int, milliseconds: int) -> bytes:
    """A still WebP file as a frame of a moving one, shown for so long."""
    picture = b"".join(
        chunk(name, body) for name, body in chunks(still) if name in (b"ALPH", b"VP8 ", b"VP8L")
    )
    numbers = (0, 0, width - 1, height - 1, min(milliseconds, _LONGEST_MS))
    place = b"".join(number.to_bytes(3, "little") for number in numbers)
    return chunk(b"ANMF", place + bytes([_REPLACE]) + picture)


def with_tags(still: bytes, profile: bytes, exif: bytes) -> bytes:
    """A still WebP file with a colour profile and camera data (empty for none) in it."""
    found = dict(chunks(still))
    if b"VP8X" in found:
        extended = found[b"VP8X"]
        width, height = (1 + int.from_bytes(extended[at : at + 3], "little") for at in (4, 7))
        alpha = bool(extended[0] & _ALPHA)
    elif b"VP8L" in found:
        bits = int.from_bytes(found[b"VP8L"][1:5], "little")
        width, height, alpha = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
    else:
        picture = found[b"VP8 "]
        width, height = (int.from_bytes(picture[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        alpha = False
    flags = _ICC * bool(profile) | alpha * _ALPHA | _EXIF * bool(exif)
    body = _features(flags, width, height)
    body += chunk(b"ICCP", profile) if profile else b""
    body += b"".join(chunk(name, held) for name, held in chunks(still) if name != b"VP8X")
    body += chunk(b"EXIF", exif) if exif else b""
    return b"RIFF" + size_field(12 + len(body)) + b"WEBP" + body


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk of a WebP file."""
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk, padded to an even length."""
    return name + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2)


def _features(flags: int, width: int, height: int) -> bytes:
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)
