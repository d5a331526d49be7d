"""Photographs that are stored as a grid of tiles, put together."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame

from scenivid.errors import InputError
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip
from scenivid.video.container import check_size, open_container, too_large
from scenivid.video.describe import describe
from scenivid.video.headers.heif import Grid, read_grid
from scenivid.video.info import VideoInfo
from scenivid.video.reading.clips import clips_of
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.reader import ThreadedReader
from scenivid.video.reading.settings import ReadSettings

if TYPE_CHECKING:
    from torch import Tensor


def describe_photograph(path: Path, how: ReadSettings) -> VideoInfo:
    """What a photograph made of tiles is like as a whole.

    Raises:
        InputError: it is damaged or too large.
    """
    return _described(path, how)[1]


def photograph_reader(path: Path, how: ReadSettings) -> ThreadedReader:
    """Read a photograph made of tiles: one frame.

    Raises:
        InputError: it is damaged or too large.
    """
    grid, info, tile = _described(path, how)

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        whole: Tensor | None = None
        with open_container(path) as container:
            for place, frame in _tiles(container, grid, path, how):
                clip = next(clips_of(iter([frame]), tile, 1, findings))
                whole = _paper(grid, clip.pixels) if whole is None else whole
                _paste(whole, clip.pixels[0], place, grid)
        assert whole is not None  # a grid has a tile
        yield Clip(_turned(whole, grid).contiguous()[None], (Fraction(0),), (None,))

    return ThreadedReader(info, "pyav (a grid of tiles)", 1, produce, strict=how.strict)


def _described(path: Path, how: ReadSettings) -> tuple[Grid, VideoInfo, VideoInfo]:
    """The grid, the whole picture, and one tile of it."""
    grid = read_grid(path)
    if grid is None:
        raise InputError(
            f"{path}: a photograph stored as a grid of tiles, of which only one would be read:"
            " save it as PNG or JPEG first"
        )
    if grid.width * grid.height > how.max_pixels:
        raise too_large(path, grid.width, grid.height, how.max_pixels)
    with open_container(path) as container:
        _, frame = next(_tiles(container, grid, path, how))
        stream = next(stream for stream in container.streams.video if stream.id == grid.tiles[0])
        tile = replace(describe(container, stream, frame, path), rotation=0, alpha=False)
    if tile.width * grid.columns < grid.width or tile.height * grid.rows < grid.height:
        raise InputError(f"{path}: damaged: its tiles don't cover the picture")
    quarters = sum(count for what, count in grid.turns if what == "turn")
    size = (grid.width, grid.height) if quarters % 2 == 0 else (grid.height, grid.width)
    info = replace(tile, width=size[0], height=size[1], frames=1, duration=None, start=Fraction(0))
    return grid, info, tile


def _tiles(
    container: InputContainer, grid: Grid, path: Path, how: ReadSettings
) -> Generator[tuple[int, VideoFrame], None, None]:
    """Each tile with its place in the grid, the first one first."""
    streams = {stream.id: stream for stream in container.streams.video}
    packets: dict[int, Packet[Any]] = {}
    for number in grid.tiles:
        if number not in streams:
            raise InputError(f"{path}: damaged: a tile of the picture is missing")
        check_size(streams[number], path, how.max_pixels)
    try:
        for packet in container.demux(list(streams.values())):
            if packet.size:
                packets.setdefault(packet.stream.id, packet)
        for place, number in enumerate(grid.tiles):
            context, held = streams[number].codec_context, packets.get(number)
            frames = [] if held is None else [*context.decode(held), *context.decode(None)]
            if not frames:
                raise InputError(f"{path}: damaged: tile {place + 1} of {len(grid.tiles)} can't be decoded")
            yield place, frames[0]
    except (av.FFmpegError, OSError) as exc:
        raise InputError(f"{path}: damaged: a tile can't be decoded ({exc.strerror})") from exc


def _paper(grid: Grid, tile: Tensor) -> Tensor:
    """Room for the whole picture, [3, H, W]."""
    return torch.zeros((3, grid.height, grid.width), dtype=tile.dtype)


def _paste(whole: Tensor, tile: Tensor, place: int, grid: Grid) -> None:
    height, width = tile.shape[1:]
    y, x = place // grid.columns * height, place % grid.columns * width
    rows, columns = min(height, grid.height - y), min(width, grid.width - x)
    if rows > 0 and columns > 0:
        whole[:, y : y + rows, x : x + columns] = tile[:, :rows, :columns]


def _turned(whole: Tensor, grid: Grid) -> Tensor:
    for what, how in grid.turns:
        whole = torch.rot90(whole, how, (1, 2)) if what == "turn" else whole.flip(1 + how)
    return whole
