"""What a batch remembers of each output: from which source and with which settings it was made.

A small JSON file for each job in the hidden folder `.scenivid` of the output folder. It is written before the
work begins and again when the output stands under its name, so that a crash in between can be told from a
file that somebody else has put there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenivid.engine import StylizeSettings
from scenivid.styles.zoo import find_here
from scenivid.video.reading.images import SUFFIXES

FOLDER = ".scenivid"
_NO_DIFFERENCE = frozenset(
    ("batch", "decoder", "device", "max_pixels", "overwrite", "resume", "serial", "strict", "tile", "workers")
)
"""Settings that don't show in the result."""


@dataclass(frozen=True)
class Made:
    """What something is made from, and how."""

    source: str
    state: str
    """Fingerprint of the source: changes when the source does."""
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, source: Path, settings: StylizeSettings, network: str | None) -> Made:
        """What `source` and `settings` are now; `network` as of `network_of`.

        Raises:
            OSError: the source can't be looked at.
        """
        values = {name: _plain(value) for name, value in vars(settings).items() if name not in _NO_DIFFERENCE}
        return cls(_text(source), _state(source), {**values, "network": network})

    def differences(self, now: Made) -> list[str]:
        """In words, what has changed; the name of the source may."""
        changed = []
        if self.state != now.state:
            same = self.source == now.source
            changed.append("the source has changed" if same else f"it was made from {self.source}")
        for name in sorted(self.settings.keys() | now.settings.keys()):
            before, after = self.settings.get(name), now.settings.get(name)
            if before != after:
                text = f"{name} was {before}, is {after}"
                changed.append("the style's weights have changed" if name == "network" else text)
        return changed


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
            return len(_frames(output)) >= self.frames
        return output.is_file() and output.stat().st_size == self.size


def network_of(style: str) -> str | None:
    """A digest of a style's weights; None for a style that isn't on this machine."""
    path = find_here(style)
    return _digest(path) if path else None


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
        return _state(output) if _frames(output) else ""
    return _state(output) if os.path.lexists(output) else ""


def _frames(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [
            entry
            for entry in entries
            if not entry.name.startswith(".") and Path(entry.name).suffix.lower() in SUFFIXES
        ]


def _state(path: Path) -> str:
    if not path.is_dir():
        found = path.stat() if path.exists() else path.lstat()
        return f"{found.st_size} {found.st_mtime_ns}"
    digest = hashlib.sha256()
    for entry in sorted(_frames(path), key=lambda entry: entry.name):
        found = entry.stat()
        digest.update(os.fsencode(f"{entry.name} {found.st_size} {found.st_mtime_ns}\n"))
    return digest.hexdigest()[:20]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:20]


def _text(path: Path) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return _digest(value) if value.is_file() else _text(value)
    return str(value)
