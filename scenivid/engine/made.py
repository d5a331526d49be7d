"""What an output is made from: a source, settings, and a network, as values that can be compared later."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenivid.engine.settings import StylizeSettings
from scenivid.styles.places import find_here
from scenivid.video.container import is_pipe
from scenivid.video.reading.pictures.images import SUFFIXES

_NO_DIFFERENCE = frozenset(
    (
        "agreed",
        "batch",
        "decoder",
        "device",
        "max_pixels",
        "overwrite",
        "resume",
        "serial",
        "strict",
        "tile",
        "workers",
    )
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
        return cls(_text(source), state_of(source), {**values, "network": network})

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


def network_of(style: str) -> str | None:
    """A digest of a style's weights; None for a style that isn't on this machine."""
    path = find_here(style)
    return _digest(path) if path else None


def frames_in(folder: Path) -> list[os.DirEntry[str]]:
    """The pictures that lie directly in a folder."""
    with os.scandir(folder) as entries:
        return [
            entry
            for entry in entries
            if not entry.name.startswith(".") and Path(entry.name).suffix.lower() in SUFFIXES
        ]


def state_of(path: Path) -> str:
    """A few characters that change when a file, or the pictures in a folder, do; the same for every pipe."""
    if is_pipe(path):
        return "pipe"
    if not path.is_dir():
        found = path.stat() if path.exists() else path.lstat()
        return f"{found.st_size} {found.st_mtime_ns}"
    digest = hashlib.sha256()
    for entry in sorted(frames_in(path), key=lambda entry: entry.name):
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
