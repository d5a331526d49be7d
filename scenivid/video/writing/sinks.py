"""Where a stream of bytes goes: a file that is written aside, or the standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Protocol

from scenivid.errors import ConfigError, OutputError
from scenivid.machine import aside

Bytes = bytes | memoryview


class Sink(Protocol):
    """Takes bytes in order."""

    name: str
    """For messages."""

    def write(self, data: Bytes) -> None:
        """Append.

        Raises:
            OutputError: the disk is full, or the like.
            BrokenPipeError: nobody reads any more.
        """

    def flush(self) -> None:
        """Hand over what was written."""

    def finish(self) -> None:
        """All is written."""

    def abandon(self) -> None:
        """Leave nothing behind, where that can be; safe after `finish`."""


class FileSink:
    """A file, which gets its name when it is complete."""

    def __init__(self, target: Path, overwrite: bool) -> None:
        """Raises OutputError where it can't be made."""
        self.name = str(target)
        self._target, self._overwrite = target, overwrite
        self._part = aside.make_file(target)
        with aside.writing(target):
            self._file = self._part.open("wb")

    def write(self, data: Bytes) -> None:
        """Append; see `Sink.write`."""
        with aside.writing(self._target):
            self._file.write(data)

    def flush(self) -> None:
        """A file is complete at its end."""

    def finish(self) -> None:
        """Give the file its name."""
        with aside.writing(self._target):
            self._file.close()
        aside.publish(self._part, self._target, self._overwrite)

    def abandon(self) -> None:
        """Remove the file, unless it is finished."""
        aside.discard(self._part)
        self._file.close()


class StandardOutput:
    """The standard output; what was written is gone."""

    name = "the standard output"

    def __init__(self) -> None:
        """Raises ConfigError where it is a terminal."""
        if sys.stdout.isatty():
            raise ConfigError("the standard output is a terminal: pipe it into a program, or name a file")
        self._file: IO[bytes] = sys.stdout.buffer

    def write(self, data: Bytes) -> None:
        """Append; see `Sink.write`."""
        self._guarded(data)

    def flush(self) -> None:
        """Hand over what was written, so that whoever reads can show it."""
        self._guarded(None)

    def finish(self) -> None:
        """Hand over the rest."""
        self._guarded(None)

    def abandon(self) -> None:
        """Nothing can be taken back."""

    def _guarded(self, data: Bytes | None) -> None:
        try:
            if data is not None:
                self._file.write(data)
            else:
                self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise OutputError(f"{self.name} can't be written: {exc.strerror or exc}") from exc
