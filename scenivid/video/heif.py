"""Photographs of phones (HEIC, AVIF) that are stored as a grid of tiles."""

from __future__ import annotations

import re
from pathlib import Path

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"msf1", b"avif", b"avis"}
_HEAD = 2**20
_PRIMARY = re.compile(rb"pitm(?:\x00.{3}(..)|\x01.{3}(....))", re.DOTALL)
_GRIDS = re.compile(rb"infe(?:\x02.{3}(..)|\x03.{3}(....)).{2}grid", re.DOTALL)


def is_grid(path: Path) -> bool:
    """Whether the picture is put together from tiles, of which FFmpeg gives only one."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[4:8] != b"ftyp" or head[8:12] not in _BRANDS:
        return False
    primary = _PRIMARY.search(head)
    grids = {int.from_bytes(short or long, "big") for short, long in _GRIDS.findall(head)}
    return bool(grids) and (primary is None or int.from_bytes(primary[1] or primary[2], "big") in grids)
