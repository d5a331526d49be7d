"""What a batch remembers of each output: from which source and with which settings it was made.

A small JSON file for each job in the hidden folder `.scenivid` of the output folder. It is written before the
work begins and again when the output stands under its name, so that a crash in between can be told from a
file that somebody else has put there.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from scenivid.engine.made import Made, frames_in, state_of

FOLDER = ".scenivid"


@dataclass(frozen=True)
class Record:
    """Where one output stands."""

    done: Made | None = None
    """What the finished output was made from."""
    frames: int = 0
    size: int = 0
    """Bytes of the finished output, if it is a file."""
    begun: Made | None = None
    """What a run that may have been killed was making."""
    before: str = ""
    """What stood at the output when that run began; empty for nothing."""

    def finished(self, output: Path) -> bool:
        """Whether the finished output is still there, as it was made."""
        if self.done is None:
            return False
        if output.is_dir():
            return len(frames_in(output)) >= self.frames
        return output.is_file() and output.stat().st_size == self.size


def record_path(folder: Path, output: Path) -> Path:
    """The record of `output` in the folder of records."""
    inside = os.path.relpath(output, folder.parent)  # the whole tree may be moved
    return folder / (hashlib.sha256(os.fsencode(inside)).hexdigest()[:20] + ".json")


def read_record(path: Path) -> Record:
    """The record at `path`; an empty one where there is none or it is damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for name in ("done", "begun"):
            values[name] = Made(**values[name]) if values[name] else None
        return Record(**values)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Record()


def write_record(path: Path, record: Record) -> None:
    """Keep `record`, whole or not at all.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {name: vars(value) if isinstance(value, Made) else value for name, value in vars(record).items()}
    aside = path.with_suffix(f".{os.getpid()}.part")
    try:
        aside.write_text(json.dumps(values), encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def occupied(output: Path) -> str:
    """What stands at `output`, in a few characters that change when it does; empty for nothing to lose."""
    if output.is_dir():
        return state_of(output) if frames_in(output) else ""
    return state_of(output) if os.path.lexists(output) else ""
