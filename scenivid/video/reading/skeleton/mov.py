"""The skeleton of an MP4 or MOV: boxes of a length and a name, and the tables that list its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from scenivid.video.reading.skeleton.structure import Structure

_HOLDS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}
"""Boxes that hold boxes, as far as it matters here."""
_NEEDS = {
    b"trak": ({b"mdia"},),
    b"mdia": ({b"mdhd"}, {b"minf"}),
    b"minf": ({b"stbl"},),
    b"stbl": ({b"stsd"}, {b"stts"}, {b"stsc"}, {b"stsz", b"stz2"}, {b"stco", b"co64"}),
}
"""What each must hold: one of each set."""
_ROWS = {b"stts": 8, b"ctts": 8, b"stsc": 12, b"stss": 4, b"stco": 4, b"co64": 8, b"elst": 12}
"""Tables, and bytes of the shortest row of each."""
_LARGEST = 2**28
"""Bytes of an index that are looked at."""


@dataclass(frozen=True)
class _Box:
    name: bytes
    body: bytes
    whole: bool
    """Whether it fits into what holds it."""


def mov(file: BinaryIO, length: int) -> Structure:
    """Check the index of a file, where it is whole enough for FFmpeg to open it at all."""
    at = 0
    while at + 8 <= length:
        file.seek(at)
        size, name = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if name == b"moov" and size <= _LARGEST:
            file.seek(at + 8)
            return _index(file.read(size - 8))
        if size < 8:
            break
        at += size
    return Structure()


def _index(body: bytes) -> Structure:
    sound = True
    counts: list[int] = []
    pictures = False
    for name, found, missing in _inside(b"moov", body):
        sound = sound and not missing and all(box.whole and _fits(box) for box in found)
        tables = {box.name: box.body for box in found}
        if name == b"mdia":
            pictures = tables.get(b"hdlr", b"")[8:12] == b"vide"
        if b"stsz" in tables:
            listed = _number(tables[b"stsz"], 8)
            if pictures:
                counts.append(listed)
            sound = sound and (b"stsc" not in tables or _reachable(tables, listed))
            sound = sound and all(_timed(tables.get(name, b""), listed) for name in (b"stts", b"ctts"))
    return Structure(whole=sound, listed=None if sound else max(counts, default=None))


def _inside(name: bytes, body: bytes) -> Iterator[tuple[bytes, list[_Box], bool]]:
    """Each box that holds others, with what it holds, and whether something is missing there."""
    found = list(_boxes(body))
    names = {box.name for box in found}
    yield name, found, any(not (one & names) for one in _NEEDS.get(name, ()))
    for box in found:
        if box.name in _HOLDS:
            yield from _inside(box.name, box.body)


def _boxes(body: bytes) -> Iterator[_Box]:
    at = 0
    while at + 8 <= len(body):
        size, name = _number(body, at), body[at + 4 : at + 8]
        if size == 0 and not any(body[at:]):  # QuickTime ends some lists with zeros
            return
        if size < 8 or at + size > len(body):
            yield _Box(name, body[at + 8 :], False)
            return
        yield _Box(name, body[at + 8 : at + size], True)
        at += size


def _fits(box: _Box) -> bool:
    """Whether a table has room for the rows that it announces."""
    rows = _ROWS.get(box.name)
    return rows is None or 8 + _number(box.body, 4) * rows <= len(box.body)


def _reachable(tables: dict[bytes, bytes], listed: int) -> bool:
    """Whether all samples lie in a chunk: one that lies in none is lost without a word."""
    offsets = tables.get(b"stco", tables.get(b"co64", b""))
    chunks = _number(offsets, 4) if len(offsets) >= 8 else 0
    runs = BytesIO(tables[b"stsc"][8:])
    begin = each = samples = 0
    while len(row := runs.read(12)) == 12 and samples < listed:
        first, samples_each = _number(row, 0), _number(row, 4)
        if first <= begin:
            return False
        samples += (min(first, chunks + 1) - begin) * each if begin else 0
        begin, each = first, samples_each
    return samples + max(0, chunks + 1 - begin) * each >= listed


def _timed(times: bytes, listed: int) -> bool:
    """Whether no row of the times is for more samples than there are."""
    return not listed or all(_number(times, at) <= listed for at in range(8, len(times) - 7, 8))


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
