"""Find and decode training images: folders, trees and WebDataset shards (.tar), good and bad files."""

from __future__ import annotations

import io
import logging
import tarfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from scenivid.errors import DataError

logger = logging.getLogger(__name__)

_BESIDE = frozenset((".json", ".jsonl", ".html", ".toml"))
"""What data sets say about themselves: passed over without a word."""
_UNREADABLE = (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Entry:
    """One image: a file, or a member of a tar file."""

    path: Path
    """The image, or the tar file that holds it."""
    name: str
    """Path below the folder (or inside the tar file), with forward slashes."""
    offset: int | None = None
    """Position where its bytes begin in the tar file; None for a plain file."""
    size: int = 0

    def open(self) -> BinaryIO:
        """The encoded image as a file; only what is read of it is fetched."""
        if self.offset is None:
            return self.path.open("rb")
        return io.BufferedReader(_Member(self.path, self.offset, self.size))

    def read(self) -> bytes:
        """The encoded bytes."""
        with self.open() as file:
            return file.read()

    @property
    def key(self) -> str:
        """The name without its suffix: what the two sides of a pair share."""
        return str(PurePosixPath(self.name).with_suffix(""))


class _Member(io.RawIOBase):
    """The part of a file that a tar member takes, as a file of its own."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        super().__init__()
        self._file, self._offset, self._size, self._at = path.open("rb"), offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = (0, self._at, self._size)[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._offset + self._at)
        found = self._file.readinto(memoryview(buffer)[:wanted])
        self._at += found
        return found

    def close(self) -> None:
        self._file.close()
        super().close()


def scan(folder: Path, smallest: int = 32) -> tuple[Entry, ...]:
    """All usable images below `folder` (also inside *.tar, read at random places), sorted by name.

    Only headers are read. What can't be used (not an image, animated, a side below `smallest` pixels) is
    skipped, and what has to be converted (CMYK, 16 bits, transparency) counted, in one warning.

    Raises:
        DataError: no such folder, or not one usable image in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; it should hold the training images")
    found = [entry for entry in entries(folder) if PurePosixPath(entry.name).suffix not in _BESIDE]
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(partial(_inspect, smallest=smallest), found))
    good = tuple(entry for entry, (skip, _) in zip(found, verdicts, strict=True) if skip is None)
    skipped = Counter(skip for skip, _ in verdicts if skip is not None)
    converted = Counter(how for skip, how in verdicts if skip is None and how is not None)
    if not good:
        raise DataError(f"{folder} holds no usable image ({_tell(skipped) or 'it is empty'})")
    if skipped or converted:
        said = [f"{sum(skipped.values())} skipped ({_tell(skipped)})"] if skipped else []
        said += (
            [f"{sum(converted.values())} converted to 8-bit RGB ({_tell(converted)})"] if converted else []
        )
        logger.warning("%s: %d images used, %s", folder, len(good), ", ".join(said))
    return good


def entries(folder: Path) -> Iterator[Entry]:
    """All files below `folder` and inside its tar files, sorted, hidden ones left out.

    Raises:
        DataError: a tar file that isn't one.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")) or not path.is_file():
            continue
        if path.suffix == ".tar":
            yield from _members(path)
        else:
            yield Entry(path, name)


def decode(entry: Entry) -> Image.Image:
    """The image as 8-bit RGB, upright; transparent parts over white.

    Raises:
        DataError: the bytes can't be decoded.
    """
    try:
        with Image.open(io.BytesIO(entry.read())) as image:
            return _to_rgb(ImageOps.exif_transpose(image))
    except _UNREADABLE as exc:
        raise DataError(f"{entry.path} ({entry.name}) can't be decoded: {exc}") from exc


def _members(path: Path) -> Iterator[Entry]:
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                if member.isfile():
                    yield Entry(path, member.name, member.offset_data, member.size)
    except tarfile.TarError as exc:
        raise DataError(f"{path} is not an uncompressed tar file: {exc}") from exc


def _inspect(entry: Entry, smallest: int) -> tuple[str | None, str | None]:
    """(why it can't be used or None, how it has to be converted or None), from its header."""
    try:
        with entry.open() as file, Image.open(file) as image:
            if getattr(image, "is_animated", False) and image.format != "MPO":
                return "animated", None
            if min(image.size) < smallest:
                return f"smaller than {smallest} px", None
            if image.mode == "CMYK":
                return None, "CMYK"
            if image.mode.startswith("I"):
                return None, "16-bit"
            return None, "transparent" if image.has_transparency_data else None
    except _UNREADABLE:
        return "not an image", None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, as I;16 or as 32-bit integers
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _tell(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.most_common())
