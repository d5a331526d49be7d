"""The data set as it grows on disk: pictures, a journal of what became of everything, shards.

    out/images/NAME/frame_120_0.png …     or out/images/000000.tar …, with KEY.png and KEY.json
    out/frames.jsonl                      one line for each shot and photograph, one for each finished source
    out/.thumbs/000012.jpg                for the report

A line is written when all that it tells of is on disk; what a killed run did beyond it is done again.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2

from scenivid.errors import DataError
from scenivid.machine.aside import whole
from scenivid.training.prepare.picture import Image, reduced, resized

JOURNAL = "frames.jsonl"
_THUMB = 200
Form = Literal["png", "jpg", "webp"]
_HOW = {"png": [], "jpg": [cv2.IMWRITE_JPEG_QUALITY, 95], "webp": [cv2.IMWRITE_WEBP_QUALITY, 95]}


@dataclass(frozen=True)
class Row:
    """What became of one shot or one photograph."""

    source: str
    """Name of the source (`sources.Source.name`)."""
    frame: int | None
    """Number of the frame that was judged, from 0; None for a photograph."""
    seconds: float = 0.0
    span: tuple[int, ...] = ()
    """First and last frame of the shot."""
    reason: str | None = None
    """Why it was dropped (`judge.REASONS`); None: it was kept."""
    detail: str = ""
    images: tuple[str, ...] = ()
    """Names of its pictures, without their suffix."""
    print: str = ""
    """What it is recognised by (`alike.Print`), where it was kept."""
    box: tuple[int, ...] = ()
    """Left, top, width and height of what is inside the bars."""
    thumb: str = ""
    then: tuple[Any, ...] = ()
    """Where to go on in this film: frame, frame to read from, and when that one is shown."""


@dataclass(frozen=True)
class End:
    """A source of which nothing is left to do."""

    source: str
    key: str
    bytes: int
    film: bool
    frames: int = 0
    notes: tuple[str, ...] = field(default=())


class Store:
    """A folder of the data set, new or to be gone on with."""

    def __init__(self, out: Path, form: Form, shard: int) -> None:
        """
        Args:
            form: of the pictures.
            shard: pictures in a tar file; 0 = plain files.

        Raises:
            DataError: the journal is damaged.
        """
        self.out, self.form, self.shard = out, form, shard
        self._pictures = out / ("images" if not shard else ".unpacked")
        self.rows: list[Row] = []
        self.ends: dict[str, End] = {}
        self._path = out / JOURNAL
        self._whole: int | None = None
        """Bytes of the journal that can be read, where a kill has left half a line."""
        self._count = self._packed = 0
        if self._path.exists():
            self._read()

    def add(self, row: Row, pictures: Sequence[Image], thumb: Image) -> Row:
        """Write the pictures of a row under its names, then the row; returns it with its thumbnail."""
        for name, picture in zip(row.images, pictures, strict=True):
            with whole(self._pictures / f"{name}.{self.form}") as part:
                part.write_bytes(_encoded(picture, self.form))
        small = f"{len(self.rows):06d}.jpg"
        place = self.out / ".thumbs" / small
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_encoded(_thumbnail(thumb), "jpg", 80))
        row = Row(**{**vars(row), "thumb": small})
        self.miss(row)
        return row

    def miss(self, row: Row) -> None:
        """A row of something that can't be seen."""
        self._write({"row": asdict(row)})
        self._keep(row)

    def end(self, end: End) -> None:
        """A source is finished."""
        self._write({"end": asdict(end)})
        self.ends[end.key] = end

    def rows_of(self, source: str) -> list[Row]:
        """What has become of a source so far."""
        return [row for row in self.rows if row.source == source]

    def pack(self, last: bool) -> None:
        """Put pictures into shards as soon as one is full; what is left over too, the `last` time."""
        if not self.shard or (not last and self._count - self._packed * self.shard < self.shard):
            return
        facts = {name: row for row in self.rows for name in row.images}
        names = list(facts)
        for number in range(self._packed, -(-len(names) // self.shard)):
            part = names[number * self.shard : (number + 1) * self.shard]
            full = len(part) == self.shard
            if not full and not last:
                return
            path = self.out / "images" / f"{number:06d}.tar"
            files = [self._pictures / f"{name}.{self.form}" for name in part]
            if all(file.exists() for file in files):
                with whole(path) as tar:
                    _pack(tar, list(zip(part, files, strict=True)), facts)
            elif not path.exists():
                raise DataError(f"pictures of {path} are missing: delete {self.out} and begin again")
            if full:  # one that isn't may grow in a later run: its pictures stay
                for file in files:
                    file.unlink(missing_ok=True)
                self._packed = number + 1

    def _keep(self, row: Row) -> None:
        self.rows.append(row)
        self._count += len(row.images)

    def _write(self, held: dict[str, Any]) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        if self._whole is not None:
            os.truncate(self._path, self._whole)
            self._whole = None
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(held, ensure_ascii=False) + "\n")

    def _read(self) -> None:
        text = self._path.read_bytes()
        good = text[: text.rfind(b"\n") + 1]  # a kill may leave half a line
        if len(good) < len(text):
            self._whole = len(good)
        for number, line in enumerate(good.decode("utf-8").splitlines(), 1):
            try:
                held = json.loads(line)
                if "end" in held:
                    end = End(**_tuples(held["end"]))
                    self.ends[end.key] = end
                else:
                    self._keep(Row(**_tuples(held["row"])))
            except (ValueError, TypeError, KeyError) as exc:
                raise DataError(
                    f"{self._path} line {number} is damaged: choose another --out, or delete the folder"
                ) from exc


def _pack(path: Path, files: Sequence[tuple[str, Path]], facts: dict[str, Row]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT if _short(files) else tarfile.PAX_FORMAT) as tar:
        for name, file in files:
            row = facts[name]
            told = {"source": row.source, "frame": row.frame, "seconds": row.seconds}
            for member, data in (
                (f"{name}{file.suffix}", file.read_bytes()),
                (f"{name}.json", json.dumps(told, ensure_ascii=False).encode()),
            ):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def _short(files: Sequence[tuple[str, Path]]) -> bool:
    return all(len(name.encode()) < 90 and name.isascii() for name, _ in files)


def _encoded(image: Image, form: Form, quality: int | None = None) -> bytes:
    how = [cv2.IMWRITE_JPEG_QUALITY, quality] if quality is not None else _HOW[form]
    return bytes(cv2.imencode(f".{form}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), how)[1].tobytes())


def _thumbnail(image: Image) -> Image:
    small = reduced(image)
    scale = min(1.0, _THUMB / max(small.shape[:2]))
    size = (max(1, round(small.shape[1] * scale)), max(1, round(small.shape[0] * scale)))
    return resized(small, size)


def _tuples(held: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in held.items()}
