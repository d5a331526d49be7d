"""The shape of pixels in a Matroska header, which PyAV has no way to set.

FFmpeg's muxer takes it from a field of the track that PyAV doesn't reach. So the track is written with
a name that ends in blanks (`ROOM`), and afterwards two elements take their place. Format: RFC 8794
(EBML), RFC 9559 (Matroska).
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from scenivid.video.headers.ebml import element, read_head

_SEGMENT, _CLUSTER, _TRACKS, _TRACK_ENTRY, _VIDEO = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xE0
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xB0, 0xBA
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_NAME, _VOID, _CRC = 0x536E, 0xEC, 0xBF
ROOM = " " * 12
"""What the name of the video track must end in while the file is written."""
_HEADER = 1 << 20
"""Bytes at the beginning of a file among which its tracks are described."""


@dataclass(frozen=True)
class _Element:
    id: int
    start: int
    body: int
    end: int


def set_pixel_shape(path: Path, aspect: Fraction) -> bool:
    """Mark the first video track of a finished file as made of pixels `aspect` times as wide as high.

    Returns:
        False where the header has no room for it; the file is then as it was.

    Raises:
        OSError: the file can't be read or written.
    """
    with path.open("r+b") as file:
        data = file.read(_HEADER)
        segment = _child(data, _Element(0, 0, 0, len(data)), _SEGMENT)
        tracks = _child(data, segment, _TRACKS) if segment else None
        if tracks is None or tracks.end > len(data):
            return False
        parts, done = [], False
        for part in _elements(data, tracks.body, tracks.end):
            if part.id == _CRC:
                continue
            video = _child(data, part, _VIDEO) if part.id == _TRACK_ENTRY and not done else None
            entry = None if video is None else _reshaped(data, part, video, aspect)
            done = done or entry is not None
            parts.append(data[part.start : part.end] if entry is None else entry)
        if not done:
            return False
        body = b"".join(parts)
        if len(body) < tracks.end - tracks.body:  # there was a checksum
            body = element(_CRC, zlib.crc32(body).to_bytes(4, "little")) + body
        assert len(body) == tracks.end - tracks.body
        file.seek(tracks.body)
        file.write(body)
    return True


def _reshaped(data: bytes, entry: _Element, video: _Element, aspect: Fraction) -> bytes | None:
    """The track entry with a display size, as long as before; None where that is impossible."""
    sizes = {part.id: part for part in _elements(data, video.body, video.end)}
    width, height = (
        int.from_bytes(data[sizes[key].body : sizes[key].end], "big") for key in (_PIXEL_WIDTH, _PIXEL_HEIGHT)
    )
    shown = Fraction(width, height) * aspect
    # In whole pixels and in exactly this ratio, so nothing is rounded.
    times = math.ceil(Fraction(height, shown.denominator))
    display = _number(_DISPLAY_WIDTH, shown.numerator * times)
    display += _number(_DISPLAY_HEIGHT, shown.denominator * times)
    kept = b"".join(
        data[part.start : part.end]
        for part in sizes.values()
        if part.id not in {_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT, _VOID}
    )
    parts = []
    for part in _elements(data, entry.body, entry.end):
        if part.id == _VIDEO:
            parts.append(element(_VIDEO, kept + display))
        elif part.id == _NAME:
            name = data[part.body : part.end].rstrip()
            parts.append(element(_NAME, name) if name else b"")
        elif part.id != _VOID:
            parts.append(data[part.start : part.end])
    body = b"".join(parts)
    total = entry.end - entry.start
    for length in range(8, 0, -1):
        spare = total - 1 - length - len(body)
        if len(body) + spare >= (1 << 7 * length) - 1 or not (spare == 0 or 2 <= spare < 128):
            continue
        filling = element(_VOID, bytes(spare - 2)) if spare else b""
        return element(_TRACK_ENTRY, body + filling, length)
    return None


def _elements(data: bytes, begin: int, end: int) -> Iterator[_Element]:
    file, at = io.BytesIO(data), begin
    while at < end:
        file.seek(at)
        head = read_head(file)
        if head is None:
            return
        number, size = head
        after = end if size is None else file.tell() + size
        yield _Element(number, at, file.tell(), after)
        if number == _CLUSTER:
            return
        at = after


def _child(data: bytes, parent: _Element, wanted: int) -> _Element | None:
    found = _elements(data, parent.body, min(parent.end, len(data)))
    return next((part for part in found if part.id == wanted), None)


def _number(number: int, value: int) -> bytes:
    return element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))
