"""The skeleton of a Matroska or WebM: elements of a number and a length, in clusters blocks of tracks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from scenivid.video.headers.ebml import read_head
from scenivid.video.reading.skeleton.structure import Structure

_SEGMENT, _CLUSTER, _TRACKS = 0x18538067, 0x1F43B675, 0x1654AE6B
_GROUP, _BLOCK, _SIMPLE_BLOCK = 0xA0, 0xA1, 0xA3
_BLOCKS = {_GROUP, _SIMPLE_BLOCK}
_TRACK_ENTRY, _TRACK_NUMBER = 0xAE, 0xD7
_TOP = {0x114D9B74, 0x1549A966, _TRACKS, _CLUSTER, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367}
_IN_CLUSTER = {0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0xEC, 0xBF}
_MOST = 2_000_000
"""Elements after which a walk ends: a recording of a day."""


def matroska(file: BinaryIO, length: int) -> Structure:
    """Element by element; what lies in a cluster must belong to a track."""
    found = read_head(file)
    if found is None:
        return Structure(whole=False)
    file.seek(found[1] or 0, 1)
    segment = read_head(file)
    if segment is None or segment[0] != _SEGMENT:
        return Structure(whole=False)
    begin, size = file.tell(), segment[1]
    complete = size is None or begin + size <= length
    end = length if size is None else min(length, begin + size)
    tracks: set[int] = set()
    for _ in range(_MOST):
        at = file.tell()
        if at >= end:
            return Structure(complete=complete, closed=at == end)
        element = read_head(file)
        if element is None or element[0] not in _TOP | _IN_CLUSTER:
            return Structure(whole=False, complete=complete)
        name, size = element
        if name == _CLUSTER:  # its children are walked over like its neighbours
            continue
        if size is None:
            return Structure(whole=False, complete=complete)
        body = file.tell()
        if name == _TRACKS:
            tracks = set(_tracks(file, body + size))
        elif name in _BLOCKS and tracks and not _of_a_track(file, name, tracks):
            return Structure(whole=False, complete=complete)
        file.seek(body + size)
    return Structure(complete=complete)


def _tracks(file: BinaryIO, end: int) -> Iterator[int]:
    """Numbers of the tracks listed from here to `end`."""
    while file.tell() < end and (element := read_head(file)) is not None:
        name, size = element
        if name == _TRACK_ENTRY:  # walked into
            continue
        body = file.read(min(size or 0, 8))
        if name == _TRACK_NUMBER:
            yield int.from_bytes(body, "big")
        file.seek((size or 0) - len(body), 1)


def _of_a_track(file: BinaryIO, name: int, tracks: set[int]) -> bool:
    """Whether the block here names one of `tracks`; a group that begins with something else is believed."""
    if name == _GROUP:
        inside = read_head(file)
        if inside is None or inside[0] != _BLOCK:
            return inside is not None
    first = file.read(1)
    width = 9 - first[0].bit_length() if first else 9
    if width > 8:
        return False
    number = int.from_bytes(first + file.read(width - 1), "big") ^ 1 << 7 * width
    return number in tracks
