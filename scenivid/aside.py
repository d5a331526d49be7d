"""Outputs are written aside and renamed into place: a half result is never seen under its own name."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from av.error import FFmpegError

from scenivid.errors import OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT}


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
        OutputError: no such folder, the input itself, or something is there and `overwrite` is off.
    """
    target = output.resolve() if output.is_symlink() else output
    if not target.parent.is_dir():
        raise OutputError(f"{output} can't be written: there is no folder {target.parent}; create it first")
    if not target.exists():
        return target
    if source.exists() and target.samefile(source):
        raise OutputError(f"{output} is the input itself: choose another name for the output")
    empty = target.is_dir() and not any(target.iterdir())
    if not overwrite and not empty:
        raise OutputError(f"{output} exists already: pass --overwrite to replace it, or choose another name")
    return target


def make_file(target: Path) -> Path:
    """Create an empty file with a name of its own next to `target`."""
    part = _part(target)
    with writing(target):
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the umask applies
    return part


def make_folder(target: Path) -> Path:
    """Create an empty folder with a name of its own next to `target`."""
    part = _part(target)
    with writing(target):
        part.mkdir()
    return part


def publish(part: Path, target: Path, overwrite: bool) -> None:
    """Give the finished file or folder its name; what was there before goes only now.

    Raises:
        OutputError: something has appeared at `target` meanwhile, or the system refuses.
    """
    empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not empty and not overwrite:
        raise OutputError(f"{target} has appeared while it was being made: nothing was replaced")
    with writing(target):
        if not target.is_dir():
            part.replace(target)
            return
        old = _part(target)
        target.rename(old)
        try:
            part.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def discard(part: Path) -> None:
    """Remove an unfinished file or folder, if it is there."""
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _part(target: Path) -> Path:
    name = target.name.encode()[:200].decode(errors="ignore")  # names end at 255 bytes
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
