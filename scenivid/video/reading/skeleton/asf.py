"""The skeleton of an ASF (WMV, WMA): a header, then data packets of one size."""

from __future__ import annotations

from typing import BinaryIO

from scenivid.video.reading.skeleton.structure import Structure

HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
"""GUID with which a file begins."""
_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_DATA_HEAD = 50
_CORRECTED = 0x80
"""Flag in the first byte of a packet that begins with error correction data: all of a file do, or none."""


def asf(file: BinaryIO, length: int) -> Structure:
    """Look at the first byte of each packet."""
    file.seek(16)
    end = int.from_bytes(file.read(8), "little")
    file.seek(30)
    size = 0
    while file.tell() < min(end, length):
        at = file.tell()
        name, extent = file.read(16), int.from_bytes(file.read(8), "little")
        if name == _PROPERTIES:
            body = file.read(80)
            size = int.from_bytes(body[68:72], "little")  # smallest; the largest is the same
        if extent < 24:
            return Structure(whole=False)
        file.seek(at + extent)
    file.seek(end)
    head = file.read(_DATA_HEAD)
    if head[:16] != _DATA:
        return Structure(whole=False)
    extent, packets = int.from_bytes(head[16:24], "little"), int.from_bytes(head[40:48], "little")
    if not size or not packets:  # a broadcast, which ends when it ends
        return Structure()
    begin = end + _DATA_HEAD
    there = min(packets, (length - begin) // size)
    firsts = []
    for index in range(there):
        file.seek(begin + index * size)
        firsts.append(file.read(1)[0] & _CORRECTED)
    sound = len(set(firsts)) <= 1
    return Structure(whole=sound, complete=there == packets and end + extent <= length)
