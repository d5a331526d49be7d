"""Outputs are written aside and renamed into place: a half result is never seen under its own name."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from av.error import FFmpegError

from scenivid.errors import OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_unfinished: dict[Path, int] = {}
"""Everything aside that this program has made and not yet published or discarded, and in which process."""


@contextlib.contextmanager
def writing(output: Path) -> Iterator[None]:
    """Turn what the system or FFmpeg says while `output` is written into one clear OutputError."""
    try:
        yield
    except (OSError, FFmpegError) as exc:
        raise OutputError(f"{output} can't be written: {_reason(exc)}") from exc


def check(output: Path, source: Path, overwrite: bool) -> Path:
    """Find out whether `output` may be written, before any work.

    Returns:
        Where to write: `output`, or what it points to if it is a link.

    Raises:
        OutputError: no such folder; `output` is the input, holds it or would replace a part of it; something
            is there and `overwrite` is off; or what is there is neither a file nor a folder.
    """
    target = output.resolve() if output.is_symlink() else output
    if not target.parent.is_dir():
        raise OutputError(f"{output} can't be written: there is no folder {target.parent}; create it first")
    if not target.exists():
        return target
    _spare(target, source, output)
    if not (target.is_file() or target.is_dir()):
        raise OutputError(f"{output} is a device, a pipe or a socket: it is never replaced")
    if not overwrite and not _free(target):
        raise OutputError(f"{output} exists already: pass --overwrite to replace it, or choose another name")
    return target


def make_file(target: Path) -> Path:
    """Create an empty file with a name of its own next to `target`."""
    part = _part(target)
    _unfinished[part] = os.getpid()  # first: a signal may come between any two lines
    with writing(target):
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the umask applies
    return part


def make_folder(target: Path) -> Path:
    """Create an empty folder with a name of its own next to `target`."""
    part = _part(target)
    _unfinished[part] = os.getpid()
    with writing(target):
        part.mkdir()
    return part


def adopt(folder: Path) -> None:
    """Have `folder` removed when this program ends, should nothing discard it before."""
    _unfinished[folder] = os.getpid()


def publish(part: Path, target: Path, overwrite: bool) -> None:
    """Give the finished file, or the files of the finished folder, their names.

    A folder that is there already keeps everything in it but the files that `part` has as well.

    Raises:
        OutputError: something has appeared at `target` meanwhile, or the system refuses.
    """
    with writing(target):
        if part.is_dir() and target.is_dir() and any(target.iterdir()):
            _merge(part, target, overwrite)
        else:
            if target.is_dir() and part.is_dir():
                target.rmdir()
            elif target.exists() and not (overwrite and target.is_file() and part.is_file()):
                raise OutputError(f"{target} has appeared while it was being made: nothing was replaced")
            part.replace(target)
    _unfinished.pop(part, None)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Write a file aside: the block fills the file it is given, which then takes the name `path`, whatever is
    there; its folder is made if need be. After an error nothing has changed.

    Raises:
        OutputError: it can't be written.
    """
    if path.is_dir():
        raise OutputError(f"{path} can't be written: there is a folder of this name")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    part = make_file(path)
    try:
        with writing(path):
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())  # a rename may reach the disk before what was written
        publish(part, path, overwrite=True)
    finally:
        discard(part)


def address(path: Path) -> str:
    """`path` as FFmpeg takes it for a file whatever its name: `12:30.mp4`, `concat:a`, `-`."""
    return f"file:{path}"


def left_over(folder: Path, seconds: float) -> list[Path]:
    """What killed runs have left in `folder`: unfinished outputs not touched for so many seconds."""
    before = time.time() - seconds
    found = []
    for path in [*folder.glob(".*.part"), *folder.glob(".*.work")]:
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before and path not in _unfinished:
                found.append(path)
    return sorted(found)


def discard(part: Path) -> None:
    """Remove an unfinished file or folder, if it is there."""
    _unfinished.pop(part, None)
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@atexit.register
def discard_all() -> None:
    """Remove what this process has not finished: a signal may come before a `with` guards it."""
    for part, process in list(_unfinished.items()):
        if process == os.getpid():  # a forked process leaves its parent's alone
            discard(part)


def _spare(target: Path, source: Path, output: Path) -> None:
    """Refuse an output whose making would cost the input, or a frame of it."""
    if not source.exists():
        return
    if target.samefile(source):
        raise OutputError(f"{output} is the input itself: choose another name for the output")
    real, place = source.resolve(), target.resolve()
    if target.is_dir() and place in real.parents:
        raise OutputError(f"{output} holds the input {source}: choose another folder for the output")
    if target.is_file() and real.is_dir() and place.parent == real:
        raise OutputError(f"{output} is a part of the input {source}: choose another name for the output")


def _free(target: Path) -> bool:
    """Whether writing to `target` replaces nothing: a folder without files of its own."""
    return target.is_dir() and not any(_shown(path) for path in target.iterdir())


def _shown(path: Path) -> bool:
    return not path.name.startswith(".") and not path.is_dir()


def _merge(part: Path, target: Path, overwrite: bool) -> None:
    """Move the files of `part` into `target`; none is moved unless all may be."""
    made = sorted(part.iterdir())
    for path in made:
        there = target / path.name
        if os.path.lexists(there) and not (overwrite and (there.is_file() or there.is_symlink())):
            raise OutputError(f"{there} has appeared while it was being made: nothing was replaced")
    for path in made:
        path.replace(target / path.name)
    part.rmdir()


def _part(target: Path) -> Path:
    name = os.fsencode(target.name)[:200].decode(errors="ignore")  # names end at 255 bytes
    return target.with_name(f".{name}.{secrets.token_hex(4)}.part")


def _reason(exc: OSError | FFmpegError) -> str:
    if exc.errno in _FULL:
        return "the disk is full; make room or choose another place"
    if exc.errno == errno.EFBIG:
        return "the file grew beyond the size that is allowed here (a limit of the disk or of the process)"
    if exc.errno in {errno.EACCES, errno.EPERM}:
        return "no permission to write in this folder"
    if exc.errno == errno.EROFS:
        return "the disk is read-only"
    return str(exc.strerror or exc)
