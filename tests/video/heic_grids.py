"""Photographs as phones store them: HEIC, a grid of tiles of which the last row and column are cut off."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

TILE = 64
Picture = npt.NDArray[np.uint8]


def heic_grid(path: Path, picture: Picture, *properties: bytes) -> Path:
    """Write a picture [H, W, 3]; `properties` (`irot`, `imir`) say how it is shown."""
    height, width = picture.shape[:2]
    rows, columns = -(-height // TILE), -(-width // TILE)
    padded = np.pad(picture, ((0, rows * TILE - height), (0, columns * TILE - width), (0, 0)), "edge")
    corners = [(y, x) for y in range(0, rows * TILE, TILE) for x in range(0, columns * TILE, TILE)]
    tiles = [_tile(np.ascontiguousarray(padded[y : y + TILE, x : x + TILE])) for y, x in corners]
    numbers = range(2, 2 + len(tiles))
    grid = bytes([0, 0, rows - 1, columns - 1]) + _of(2, width, height)
    kinds = [_full(b"infe", 2, _of(2, 1, 0), b"grid\0")]
    kinds += [_full(b"infe", 2, _of(2, number, 0), b"hvc1\0") for number in numbers]
    small, large = (_full(b"ispe", 0, _of(4, *size)) for size in ((TILE, TILE), (width, height)))
    own = bytes([1 + len(properties), 3, *(0x80 | 4 + index for index in range(len(properties)))])
    owners = [_of(2, 1) + own, *(_of(2, number) + bytes([2, 0x81, 2]) for number in numbers)]

    def meta(begin: int) -> bytes:
        places, at = [_of(2, 1, 1, 0, 1) + _of(4, 0, len(grid))], begin
        for number, (_, data) in zip(numbers, tiles, strict=True):
            places.append(_of(2, number, 0, 0, 1) + _of(4, at, len(data)))
            at += len(data)
        return _full(
            b"meta",
            0,
            _full(b"hdlr", 0, _of(4, 0), b"pict", bytes(13)),
            _full(b"pitm", 0, _of(2, 1)),
            _full(b"iloc", 1, b"\x44\0", _of(2, len(places)), *places),
            _full(b"iinf", 0, _of(2, len(kinds)), *kinds),
            _full(b"iref", 0, _box(b"dimg", _of(2, 1, len(tiles), *numbers))),
            _box(
                b"iprp",
                _box(b"ipco", tiles[0][0], small, large, *properties),
                _full(b"ipma", 0, _of(4, len(owners)), *owners),
            ),
            _box(b"idat", grid),
        )

    head = _box(b"ftyp", b"heic", _of(4, 0), b"mif1heic")
    begin = len(head) + len(meta(0)) + 8
    path.write_bytes(head + meta(begin) + _box(b"mdat", *(data for _, data in tiles)))
    return path


def turned(quarters: int) -> bytes:
    """Shown so many quarters of a turn anticlockwise."""
    return _box(b"irot", bytes([quarters]))


def mirrored(axis: int) -> bytes:
    """Shown with top and bottom (0), or left and right (1), exchanged."""
    return _box(b"imir", bytes([axis]))


def _tile(picture: Picture) -> tuple[bytes, bytes]:
    """The decoder's configuration, and the data, of one tile."""
    made = io.BytesIO()
    options = {"x265-params": "log-level=none:lossless=1:keyint=1", "preset": "ultrafast"}
    with av.open(made, "w", format="mp4") as file:
        stream = file.add_stream("libx265", rate=1, options=options)
        stream.width = stream.height = TILE
        file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode())
    data = made.getvalue()
    at = data.index(b"hvcC") - 4
    with av.open(io.BytesIO(data)) as file:
        sample = next(bytes(packet) for packet in file.demux(video=0) if packet.size)
    return data[at : at + int.from_bytes(data[at : at + 4], "big")], sample


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4, "big") + name + body


def _full(name: bytes, version: int, *parts: bytes) -> bytes:
    return _box(name, bytes([version, 0, 0, 0]), *parts)


def _of(width: int, *values: int) -> bytes:
    return b"".join(value.to_bytes(width, "big") for value in values)
