"""What may be stylized: files that were brought, and files below the folders named at start."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from scenivid.errors import InputError
from scenivid.ui.place import Place, clean_name, is_id, new_id
from scenivid.video.info import VideoInfo
from scenivid.video.open import probe

_PHOTOGRAPHS = (".heic", ".heif", ".avif")
"""Suffixes of pictures that are read as videos are."""
UPLOAD = "upload:"
"""Begins the name of a file that was brought; anything else is a path."""


@dataclass(frozen=True)
class Source:
    """Something that can be stylized."""

    name: str
    """How the API calls it: `upload:<id>`, or its path."""
    path: Path
    title: str
    """For people: the file's name."""
    width: int
    height: int
    rate_hz: float
    frames: int | None
    duration: float | None
    """Seconds."""
    still: bool
    """A picture: one frame, without a length."""

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the API. Where it lies isn't said."""
        values = asdict(self)
        del values["path"]
        return values


@dataclass(frozen=True)
class Sources:
    """Everything that a user may name."""

    place: Place
    folders: tuple[Path, ...] = ()
    """Files below these may be named by their path."""

    def find(self, user: str, name: str) -> Source:
        """The source of this name.

        Raises:
            InputError: no such thing, not below the folders, or no video and no picture.
        """
        path = self._uploaded(user, name) if name.startswith(UPLOAD) else self._named(name)
        try:
            info = probed(path)
        except FileNotFoundError as exc:
            raise InputError(f"{path.name} is gone") from exc
        except InputError as exc:
            raise InputError(str(exc).replace(f"{path}", path.name)) from exc
        return described(name, path, info)

    def begin_upload(self, user: str, name: str) -> tuple[str, Path]:
        """A name for the API, and the file to fill; `finish_upload` comes after."""
        number = new_id()
        folder = self.place.uploads(user) / number
        folder.mkdir()
        return f"{UPLOAD}{number}", folder / f"{clean_name(name)}.part"

    def finish_upload(self, user: str, name: str, part: Path) -> Source:
        """The file is whole: what is it?

        Raises:
            InputError: neither a video nor a picture; nothing of it is kept.
        """
        try:
            part.replace(part.with_name(part.name.removesuffix(".part")))
            return self.find(user, name)
        except BaseException:
            self.drop_upload(part)
            raise

    def drop_upload(self, part: Path) -> None:
        """Forget what came of a file so far."""
        shutil.rmtree(part.parent, ignore_errors=True)

    def _uploaded(self, user: str, name: str) -> Path:
        number = name.removeprefix(UPLOAD)
        if is_id(number):
            with contextlib.suppress(OSError):
                for path in (self.place.uploads(user) / number).iterdir():
                    if not path.name.endswith(".part"):
                        return path
        raise InputError(f"no file {name!r} was brought here: upload it first")

    def _named(self, name: str) -> Path:
        if not self.folders:
            raise InputError("no folders were named at start (--folder): upload the file instead")
        if not name or "\0" in name:
            raise InputError("name a file")
        try:
            path = Path(name)
            if not path.is_absolute():
                path = self.folders[0] / path
            path = path.resolve(strict=True)
            inside = any(path.is_relative_to(folder) for folder in self.folders)
        except (OSError, RuntimeError, ValueError):
            inside = False
        if not inside:  # the same for what isn't there: nobody learns which files there are
            places = ", ".join(str(folder) for folder in self.folders)
            raise InputError(f"{name}: no such file below {places}")
        if not (path.is_file() or path.is_dir()):
            raise InputError(f"{name}: neither a file nor a folder")
        return path


def probed(path: Path) -> VideoInfo:
    """What `probe` says, asked once as long as the file is the same: every move of a dial asks.

    Raises:
        FileNotFoundError: it is gone.
        InputError: neither a video nor a picture.
    """
    state = path.stat()
    return _probed(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _probed(path: Path, changed_ns: int, size: int) -> VideoInfo:
    return probe(path)


def resolved(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The folders as they really are.

    Raises:
        InputError: one isn't there.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    return tuple(folder.resolve() for folder in folders)


def described(name: str, path: Path, info: VideoInfo) -> Source:
    """What the page needs to know of a source."""
    photograph = info.frames == 1 and path.suffix.lower() in _PHOTOGRAPHS
    still = path.is_file() and (len(info.names) == 1 or photograph)
    return Source(
        name,
        path,
        path.name,
        info.width,
        info.height,
        float(info.rate_hz),
        info.frames,
        None if still or info.duration is None else float(info.duration),
        still,
    )
