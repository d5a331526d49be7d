"""Photographs of phones (HEIC, AVIF) that are stored as a grid of tiles (ISO/IEC 23008-12): how those lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"msf1", b"avif", b"avis"}
_HEAD = 2**20
_LARGEST = 2**26
_PRIMARY = re.compile(rb"pitm(?:\x00.{3}(..)|\x01.{3}(....))", re.DOTALL)
_GRIDS = re.compile(rb"infe(?:\x02.{3}(..)|\x03.{3}(....)).{2}grid", re.DOTALL)


@dataclass(frozen=True)
class Grid:
    """Where the tiles of a picture lie."""

    rows: int
    columns: int
    width: int
    """Pixels of the whole; the last column may reach beyond it."""
    height: int
    tiles: tuple[int, ...]
    """Item numbers, row by row; FFmpeg's streams have them as their `id`."""
    turns: tuple[tuple[str, int], ...]
    """What to do with the whole, in order: ("turn", quarters anticlockwise), ("mirror", 0 top and bottom
    change places or 1 left and right do)."""


def is_grid(path: Path) -> bool:
    """Whether the picture is put together from tiles, of which FFmpeg gives each as a stream of its own."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[4:8] != b"ftyp" or head[8:12] not in _BRANDS:
        return False
    primary = _PRIMARY.search(head)
    grids = {int.from_bytes(short or long, "big") for short, long in _GRIDS.findall(head)}
    return bool(grids) and (primary is None or int.from_bytes(primary[1] or primary[2], "big") in grids)


def read_grid(path: Path) -> Grid | None:
    """How the tiles of a grid lie; None where the file doesn't say so in a way that makes sense."""
    with path.open("rb") as file:
        data = file.read(_LARGEST)
    meta = next((body for name, body in _boxes(data) if name == b"meta"), b"")[4:]
    boxes = dict(_boxes(meta))
    primary = _primary(boxes.get(b"pitm", b""))
    tiles = _tiles(boxes.get(b"iref", b""), primary)
    layout = _layout(boxes.get(b"iloc", b""), primary, data, boxes.get(b"idat", b""))
    if len(layout) < 8:
        return None
    wide = 4 if layout[1] & 1 else 2
    rows, columns = layout[2] + 1, layout[3] + 1
    width, height = (int.from_bytes(layout[at : at + wide], "big") for at in (4, 4 + wide))
    if len(tiles) != rows * columns or not width or not height:
        return None
    return Grid(rows, columns, width, height, tiles, _turns(boxes.get(b"iprp", b""), primary))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, name, head = _number(data, at, 4), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = _number(data, at + 8, 8), 16
        size = size or len(data) - at
        if size < head:
            return
        yield name, data[at + head : at + size]
        at += size


def _number(data: bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "big")


def _primary(pitm: bytes) -> int:
    return _number(pitm, 4, 4 if pitm[:1] == b"\1" else 2)


def _tiles(iref: bytes, item: int) -> tuple[int, ...]:
    """The items that `item` is derived from."""
    wide = 4 if iref[:1] == b"\1" else 2
    for name, body in _boxes(iref[4:]):
        if name == b"dimg" and _number(body, 0, wide) == item:
            count = _number(body, wide, 2)
            found = [_number(body, wide + 2 + index * wide, wide) for index in range(count)]
            return tuple(found)
    return ()


def _layout(iloc: bytes, item: int, data: bytes, idat: bytes) -> bytes:
    """What is stored of `item` itself; it lies in one piece."""
    if len(iloc) < 8:
        return b""
    version = iloc[0]
    offset, length, base = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4
    index = iloc[5] & 15 if version else 0
    wide = 4 if version == 2 else 2
    at = 6 + wide
    for _ in range(_number(iloc, 6, wide)):
        number = _number(iloc, at, wide)
        at += wide
        inside = version > 0 and iloc[at + 1 : at + 2] == b"\1"
        at += (2 if version else 0) + 2
        begin = _number(iloc, at, base)
        at += base
        pieces = _number(iloc, at, 2)
        at += 2
        if number == item and pieces == 1:
            begin += _number(iloc, at + index, offset)
            size = _number(iloc, at + index + offset, length)
            return (idat if inside else data)[begin : begin + size]
        at += pieces * (index + offset + length)
        if at > len(iloc):
            break
    return b""


def _turns(iprp: bytes, item: int) -> tuple[tuple[str, int], ...]:
    """Quarter turns and mirrors that belong to `item`."""
    parts = list(_boxes(iprp))
    properties = list(_boxes(next((body for name, body in parts if name == b"ipco"), b"")))
    turns: list[tuple[str, int]] = []
    for body in (body for name, body in parts if name == b"ipma"):
        wide, long = (4 if body[:1] >= b"\1" else 2), _number(body, 3, 1) & 1
        at = 8
        for _ in range(_number(body, 4, 4)):
            number, count = _number(body, at, wide), _number(body, at + wide, 1)
            at += wide + 1
            for _ in range(count if number == item else 0):
                place = _number(body, at, 1 + long) & (0x7FFF if long else 0x7F)
                at += 1 + long
                name, value = properties[place - 1] if 0 < place <= len(properties) else (b"", b"")
                if name == b"irot":
                    turns.append(("turn", _number(value, 0, 1) & 3))
                elif name == b"imir":
                    turns.append(("mirror", _number(value, 0, 1) & 1))
            at += 0 if number == item else count * (1 + long)
            if at > len(body):
                break
    return tuple(turns)
