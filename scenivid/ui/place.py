"""Where the window keeps what people bring and what is made of it.

<home>/users/<user>/uploads/<id>/<name>     a file that was brought
                    jobs/<id>/job.json      what was asked for, and how it stands (`jobs`)
                              <result>      and, beside it, what `--resume` goes on with
                    previews/<key>/         moving previews; may go at any time
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{16}")
_DAY_S = 24 * 3600.0
_LONGEST_NAME = 120


def new_id() -> str:
    """A name that nobody guesses."""
    return secrets.token_hex(8)


def is_id(text: str) -> bool:
    """Whether `text` may be one of ours: what isn't never becomes a part of a path."""
    return _ID.fullmatch(text) is not None


def clean_name(name: str) -> str:
    """A file name without folders, and without what a terminal or a file system would obey."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(char if char.isprintable() and char not in '<>:"|?*' else "_" for char in last)
    kept = kept.strip(". ") or "unnamed"
    stem, dot, suffix = kept.rpartition(".")
    if not dot:
        return kept[:_LONGEST_NAME]
    while len(os.fsencode(stem)) > _LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem}.{suffix[:10]}"


@dataclass(frozen=True)
class Place:
    """The folders of one home."""

    home: Path

    def users(self) -> list[str]:
        """Everybody who has left something here."""
        folder = self.home / "users"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def uploads(self, user: str) -> Path:
        """What a user has brought."""
        return self._made(user, "uploads")

    def jobs(self, user: str) -> Path:
        """A user's jobs."""
        return self._made(user, "jobs")

    def previews(self, user: str) -> Path:
        """What may go at any time."""
        return self._made(user, "previews")

    def tidy(self, used: set[Path]) -> None:
        """Remove previews, and uploads older than a day that are not among `used` (files)."""
        before = time.time() - _DAY_S
        for user in self.users():
            shutil.rmtree(self.previews(user), ignore_errors=True)
            for folder in self.uploads(user).iterdir():
                with contextlib.suppress(OSError):
                    half = any(path.name.endswith(".part") for path in folder.iterdir())
                    old = folder.stat().st_mtime < before
                    if half or (old and not any(path in used for path in folder.iterdir())):
                        shutil.rmtree(folder, ignore_errors=True)

    def _made(self, user: str, kind: str) -> Path:
        folder = self.home / "users" / user / kind
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder
