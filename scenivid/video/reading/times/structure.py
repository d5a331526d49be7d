"""What the skeleton of a file says about its wholeness, where FFmpeg passes over damage in silence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SEGMENT, _CLUSTER, _EBML = 0x18538067, 0x1F43B675, 0x1A45DFA3
_TOP = {
    0x114D9B74,
    0x1549A966,
    0x1654AE6B,
    _CLUSTER,
    0x1C53BB6B,
    0x1941A469,
    0x1043A770,
    0x1254C367,
    0xEC,
    0xBF,
}
_IN_CLUSTER = {0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0xEC, 0xBF}
_MOST = 2_000_000
"""Elements after which the walk ends: a recording of a day."""


@dataclass(frozen=True)
class Structure:
    """What was found."""

    whole: bool = True
    """Whether the skeleton is sound: nothing between the frames has become something else."""
    complete: bool = True
    """Whether the data reach to where the file's header or its last element says they end."""
    frames: int | None = None
    """Frames that the skeleton counts, where it does."""


def structure_of(path: Path) -> Structure:
    """Walk over the skeleton of a Matroska, RIFF or GIF file; of others, nothing is said."""
    with path.open("rb") as file:
        head = file.read(4)
        length = path.stat().st_size
        file.seek(0)
        if head == b"RIFF":
            file.seek(4)
            return Structure(complete=8 + int.from_bytes(file.read(4), "little") <= length)
        if head == _EBML.to_bytes(4, "big"):
            return _matroska(file, length)
        if head == b"GIF8":
            return _gif(file, length)
    return Structure()


def _matroska(file: BinaryIO, length: int) -> Structure:
    found = _element(file)
    if found is None:
        return Structure(whole=False)
    file.seek(found[1] or 0, 1)
    segment = _element(file)
    if segment is None or segment[0] != _SEGMENT:
        return Structure(whole=False)
    begin, size = file.tell(), segment[1]
    complete = size is None or begin + size <= length
    end = length if size is None else min(length, begin + size)
    for _ in range(_MOST):
        at = file.tell()
        if at >= end:
            return Structure(complete=complete and at == end)
        element = _element(file)
        if element is None or element[0] not in _TOP | _IN_CLUSTER:
            return Structure(whole=False, complete=complete)
        name, size = element
        if name == _CLUSTER:  # its children are walked over like its neighbours
            continue
        if size is None:
            return Structure(whole=False, complete=complete)
        file.seek(size, 1)
    return Structure(complete=complete)


def _element(file: BinaryIO) -> tuple[int, int | None] | None:
    """Name and size of the EBML element here (size None: up to where it ends); None where there is none."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    if width > 4:
        return None
    name = int.from_bytes(first + file.read(width - 1), "big")
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    data = first + file.read(width - 1)
    size = int.from_bytes(data, "big") & ((1 << 7 * width) - 1)
    return name, None if size == (1 << 7 * width) - 1 else size


def _gif(file: BinaryIO, length: int) -> Structure:
    """Count images up to the trailer."""
    head = file.read(13)
    if len(head) < 13:
        return Structure(whole=False)
    _skip_palette(file, head[10])
    frames = 0
    while (kind := file.read(1)) and kind != b";":
        if kind == b"!":
            file.seek(1, 1)
        elif kind == b",":
            frames += 1
            place = file.read(9)
            if len(place) < 9:
                return Structure(complete=False, frames=frames)
            _skip_palette(file, place[8])
            file.seek(1, 1)
        else:
            return Structure(whole=False, frames=frames)
        while (size := file.read(1)) and size[0]:
            file.seek(size[0], 1)
        if file.tell() > length:
            return Structure(complete=False, frames=frames)
    return Structure(complete=kind == b";", frames=frames)


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << ((flags & 7) + 1), 1)
