"""The skeleton of an AVI: chunks of a name and a length, some of which are lists of chunks."""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

from scenivid.video.reading.skeleton.structure import Structure

_LISTS = {b"hdrl", b"strl", b"odml", b"movi", b"rec "}
"""Lists that are looked into. Their lengths aren't needed (recorders leave them zero): what they hold is
walked over like their neighbours."""
_PICTURES = {b"dc", b"db"}
_MOST = 5_000_000
"""Chunks after which a walk ends."""


def riff(file: BinaryIO, length: int) -> Structure:
    """Count the pictures that are there, whatever the index lists."""
    head = file.read(12)
    announced = 8 + int.from_bytes(head[4:8], "little")
    if head[8:12] != b"AVI ":
        return Structure(complete=announced <= length)
    pictures: Counter[bytes] = Counter()
    whole = True
    end = announced if 12 < announced <= length else length
    for _ in range(_MOST):
        at = file.tell()
        if at + 8 > end:
            file.seek(at)
            following = file.read(12)
            if following[:4] != b"RIFF" or following[8:] != b"AVIX":  # the rest of a large one
                break
            end = at + 8 + int.from_bytes(following[4:8], "little")
            continue
        name, size = _chunk(file)
        if not _is_name(name) and at % 2 == 0 and at:  # the one before may lack its padding
            file.seek(at - 1)
            name, size = _chunk(file)
        if not _is_name(name):
            whole = False
            break
        if name == b"LIST":
            if (inside := file.read(4)) not in _LISTS:
                file.seek(size - 4 + size % 2, 1)
                whole = whole and _is_name(inside)
            continue
        if file.tell() + size > length:
            whole = announced > length  # else it isn't cut short: this is no chunk
            break
        if name[2:] in _PICTURES and name[:2].isdigit() and size:
            pictures[name[:2]] += 1
        file.seek(size + size % 2, 1)
    frames = next(iter(pictures.values())) if len(pictures) == 1 else None
    return Structure(whole=whole, complete=announced <= length, frames=frames)


def _chunk(file: BinaryIO) -> tuple[bytes, int]:
    head = file.read(8)
    return head[:4], int.from_bytes(head[4:], "little")


def _is_name(name: bytes) -> bool:
    """Four characters, as FFmpeg and people write them."""
    return len(name) == 4 and all(32 <= letter < 127 for letter in name)
