"""One holder at a time, over processes: for downloads and for the jobs of a batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is held back there
    fcntl = None  # type: ignore[assignment]


@contextmanager
def hold(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold the lock file `path` inside `with`; it goes away afterwards, and a crash lets go of it as well.

    Yields False, at once, where another holds it and `wait` is off. Where the file system knows no locks,
    everybody gets True.

    Raises:
        OSError: the lock file can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _locked(path, wait)
    if file is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)  # while it is still held: nobody else can have locked this very file
        os.close(file)


def _locked(path: Path, wait: bool) -> int | None:
    """An open, locked file that still has its name; None if another process has it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(file)
            return None
        except OSError:  # no locks on this file system
            return file
        except BaseException:  # Ctrl-C while waiting
            os.close(file)
            raise
        try:
            if path.stat().st_ino == os.fstat(file).st_ino:
                return file
        except FileNotFoundError:
            pass
        os.close(file)  # the one before removed the file between our opening and our locking
