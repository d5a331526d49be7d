"""Encoded picture kept in pieces: closed groups of pictures in files of their own, each from a fresh encoder.

A piece is `NNNNNN.data`, the packets' bytes one after the other, and `NNNNNN.json`, their sizes and times.
The result is made of them at the end without encoding again; a run that was killed goes on after the last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from av.packet import Packet

from scenivid.errors import OutputError


@dataclass(frozen=True)
class Piece:
    """One finished piece."""

    number: int
    frames: int
    bytes: int = 0
    """Size of its data."""
    sha256: str = ""
    """Of its data; empty where the frames are files of their own."""
    place: str = ""
    """Folder that it is in, below the one for all pieces."""


@dataclass(frozen=True)
class WorkPlace:
    """A folder for what is finished so far, and what it holds."""

    folder: Path
    pieces: tuple[Piece, ...] = ()
    frames: int = 0
    """How many frames come before those that will be written."""
    ticks: Mapping[str, Any] | None = None
    """`Ticks.state` after those; None at the beginning."""
    frames_folder: Path | None = None
    """Where the files of a folder of frames are kept; None for a folder in `folder`."""
    whole: bool = True
    """Leaving `with` finishes the output; else only pieces are made."""


class PieceWriter:
    """Writes one piece; nothing of it counts before `close`."""

    def __init__(self, folder: Path, number: int) -> None:
        self._number = number
        piece = Piece(number, 0)
        self._data, self._index = _data(folder, piece), _index(folder, piece)
        self._file = self._data.open("wb")
        self._digest = hashlib.sha256()
        self._rows: list[tuple[int, int, bool]] = []

    def add(self, packets: Iterable[Packet[Any]]) -> None:
        """Append packets in the order of decoding."""
        for packet in packets:
            assert packet.pts is not None
            content = bytes(packet)
            self._digest.update(content)
            self._file.write(content)
            self._rows.append((len(content), packet.pts, packet.is_keyframe))

    def close(self) -> Piece:
        """Make sure that it is on the disk.

        Raises:
            OSError: the disk is full, or the like.
        """
        sync(self._file)
        size = self._file.tell()
        self._file.close()
        with self._index.open("w", encoding="utf-8") as file:
            json.dump(self._rows, file)
            sync(file)
        return Piece(self._number, len(self._rows), size, self._digest.hexdigest())

    def abandon(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):  # what couldn't be written isn't wanted any more
            self._file.close()


@dataclass(frozen=True)
class Stored:
    """The packets of a piece without their data."""

    sizes: Sequence[int]
    pts: Sequence[int]
    keys: Sequence[bool]


def read_index(folder: Path, piece: Piece) -> Stored:
    """Sizes and times of a piece's packets.

    Raises:
        OutputError: it is damaged.
    """
    try:
        rows = json.loads(_index(folder, piece).read_text(encoding="utf-8"))
        sizes, pts, keys = zip(*rows, strict=True)
        whole = sum(sizes) == piece.bytes == _data(folder, piece).stat().st_size
    except (OSError, ValueError, TypeError) as exc:
        raise _damaged(folder, exc) from exc
    if not whole or len(rows) != piece.frames:
        raise _damaged(folder, f"piece {piece.number} is not whole")
    return Stored(sizes, pts, keys)


def read_packets(folder: Path, piece: Piece) -> Iterator[Packet[Any]]:
    """The packets of a piece with data, pts and key flag; everything is checked by the end.

    Raises:
        OutputError: it is damaged.
    """
    stored, digest = read_index(folder, piece), hashlib.sha256()
    with _data(folder, piece).open("rb") as file:
        for size, pts, key in zip(stored.sizes, stored.pts, stored.keys, strict=True):
            content = file.read(size)
            digest.update(content)
            packet: Packet[Any] = Packet(content)
            packet.pts, packet.is_keyframe = pts, key
            yield packet
    if digest.hexdigest() != piece.sha256:
        raise _damaged(folder, f"piece {piece.number} has changed")


def sync(file: IO[Any]) -> None:
    """Put what was written to an open file on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _data(folder: Path, piece: Piece) -> Path:
    return folder / piece.place / f"{piece.number:06d}.data"


def _index(folder: Path, piece: Piece) -> Path:
    return folder / piece.place / f"{piece.number:06d}.json"


def _damaged(folder: Path, why: object) -> OutputError:
    return OutputError(f"the unfinished output in {folder} is damaged ({why}): begin again without --resume")
