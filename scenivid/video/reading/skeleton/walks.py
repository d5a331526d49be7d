"""Walks over the skeletons of files: GIF, moving PNG, FLV and Ogg here, others beside."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from scenivid.video.reading.skeleton.asf import HEADER, asf
from scenivid.video.reading.skeleton.matroska import matroska
from scenivid.video.reading.skeleton.mov import mov
from scenivid.video.reading.skeleton.riff import riff
from scenivid.video.reading.skeleton.structure import Structure
from scenivid.video.reading.skeleton.transport import transport


def structure_of(path: Path) -> Structure:
    """Walk over the skeleton of the kinds of file that need it; of others, nothing is said."""
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(400)
        for begins, walk in _WALKS:
            if begins(head):
                file.seek(0)
                return walk(file, length)
    return Structure()


def _gif(file: BinaryIO, length: int) -> Structure:
    """Count images up to the trailer. Encoders fill every block of an image but the last."""
    head = file.read(13)
    if len(head) < 13:
        return Structure(whole=False)
    _skip_palette(file, head[10])
    frames = uneven = 0
    while (kind := file.read(1)) and kind != b";":
        if kind == b"!":
            file.seek(1, 1)
        elif kind == b",":
            frames += 1
            place = file.read(9)
            if len(place) < 9:
                break
            _skip_palette(file, place[8])
            file.seek(1, 1)
        else:
            break
        short = 0
        while (size := file.read(1)) and size[0]:
            short += size[0] < 255
            file.seek(size[0], 1)
        uneven += kind == b"," and short > 1
    whole = kind in {b"", b";"} and (uneven == 0 or 2 * uneven > frames)
    if not whole:  # count what looks like the beginning of a frame
        file.seek(0)
        frames = max(frames, len(re.findall(rb"!\xf9\x04.{4}\x00,", file.read(), re.DOTALL)))
    return Structure(whole=whole, closed=kind == b";", frames=frames)


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << ((flags & 7) + 1), 1)


def _png(file: BinaryIO, length: int) -> Structure:
    """Chunk by chunk; a moving PNG announces its frames."""
    file.seek(8)
    frames = None
    while len(head := file.read(8)) == 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        if not (name.isalpha() and name.isascii()):
            return Structure(whole=False, frames=frames)
        if name == b"IEND":
            return Structure(frames=frames)
        if name == b"acTL":
            frames = int.from_bytes(file.read(4), "big")
            file.seek(-4, 1)
        file.seek(size + 4, 1)
    return Structure(closed=False, frames=frames)


def _flv(file: BinaryIO, length: int) -> Structure:
    """Each tag is followed by its own size."""
    head = file.read(9)
    file.seek(int.from_bytes(head[5:9], "big") + 4)
    while len(tag := file.read(11)) == 11:
        size = int.from_bytes(tag[1:4], "big")
        file.seek(size, 1)
        after = file.read(4)
        if len(after) < 4:
            return Structure(closed=False)
        if int.from_bytes(after, "big") not in {size + 11, 0} or tag[0] & 0x1F not in {8, 9, 18}:
            return Structure(whole=False)
    return Structure(closed=not tag)


def _ogg(file: BinaryIO, length: int) -> Structure:
    """Pages are numbered; the last of each stream says so."""
    due: dict[bytes, int] = {}
    open_streams: set[bytes] = set()
    whole = True
    while len(head := file.read(27)) == 27:
        if head[:4] != b"OggS":
            return Structure(whole=False)
        stream, number = head[14:18], int.from_bytes(head[18:22], "little")
        whole = whole and due.get(stream, number) == number
        due[stream] = number + 1
        (open_streams.discard if head[5] & 4 else open_streams.add)(stream)
        file.seek(sum(file.read(head[26])), 1)
    return Structure(whole=whole, closed=not open_streams and not head and file.tell() <= length)


_WALKS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int], Structure]], ...] = (
    (lambda head: head[:4] == b"\x1a\x45\xdf\xa3", matroska),
    (lambda head: head[:4] == b"RIFF", riff),
    (lambda head: head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}, mov),
    (lambda head: head[:16] == HEADER, asf),
    (lambda head: head[:4] == b"GIF8", _gif),
    (lambda head: head[:4] == b"\x89PNG", _png),
    (lambda head: head[:4] == b"FLV\x01", _flv),
    (lambda head: head[:4] == b"OggS", _ogg),
    (lambda head: head[:1] == b"G" == head[188:189] or head[4:5] == b"G" == head[196:197], transport),
)
