"""The skeleton of an MPEG transport stream: packets of one size, each with its mark."""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from scenivid.video.reading.skeleton.structure import Structure

_MARK = 0x47
_PIECE = 40_000
"""Packets that are looked at together."""
_BEGINS, _SCRAMBLED, _ADAPTED, _PAYLOAD = 0x40, 0xC0, 0x20, 0x10


def transport(file: BinaryIO, length: int) -> Structure:
    """Find packets without a mark between such as have it, and beginnings of frames that are none."""
    head = file.read(400)
    size = 188 if head[188:189] == b"G" else 192
    file.seek(0)
    whole, unmarked = True, False
    begun: Counter[int] = Counter()
    spoilt: Counter[int] = Counter()
    while rows := file.read(size * _PIECE):
        packets = np.frombuffer(rows, np.uint8)
        packets = packets[: len(packets) // size * size].reshape(-1, size)[:, size - 188 :]
        marked = packets[:, 0] == _MARK
        if (unmarked and marked.any()) or (np.diff(marked.astype(np.int8)) > 0).any():
            whole = False
        unmarked = unmarked or not marked.all()
        for pid, good in _beginnings(packets[marked & (packets[:, 1] & _BEGINS > 0)]):
            (begun if good else spoilt)[pid] += 1
    # Tables begin otherwise; a track in which hardly anything begins as it should is none.
    if any(spoilt[pid] and begun[pid] > spoilt[pid] for pid in begun):
        whole = False
    return Structure(whole=whole, closed=length % size == 0)


def _beginnings(packets: npt.NDArray[np.uint8]) -> list[tuple[int, bool]]:
    """Track number of each packet that says that something begins, and whether it does."""
    found = []
    for packet in packets:
        flags = int(packet[3])
        if flags & _SCRAMBLED or not flags & _PAYLOAD:
            continue
        at = 4 + (1 + int(packet[4]) if flags & _ADAPTED else 0)
        pid = (int(packet[1]) & 0x1F) << 8 | int(packet[2])
        found.append((pid, packet[at : at + 3].tobytes() == b"\0\0\1"))
    return found
