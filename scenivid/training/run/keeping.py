"""Which checkpoint is kept: the newest, and of a run that can collapse an older one that has proved sound.

What a step logs was made before it changed the weights, and a collapse may take some intervals to show. So a
checkpoint counts as sound once the run has been healthy for `_CALM` logged intervals after it, and the one
before it stays until then.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_CALM = 2


class Keeper:
    """Checkpoints of one run in this process.

    Args:
        path: the newest.
        cautious: whether the run has signs of a collapse to be looked at.
    """

    def __init__(self, path: Path, cautious: bool) -> None:
        self.path, self.before, self.cautious = (
            path,
            path.with_name(f".{path.stem}-before{path.suffix}"),
            cautious,
        )
        if self.before.exists() and not path.exists():  # killed between two renamings
            self.before.replace(path)
        self._calm = _CALM  # what an earlier process has left has been gone on from

    @property
    def due(self) -> bool:
        """Whether the newest has proved sound, so that another may take its place."""
        return not self.cautious or self._calm >= _CALM

    def healthy(self) -> None:
        """A logged interval was."""
        self._calm += 1

    def save(self, write: Callable[[Path], None]) -> None:
        """Write the newest; the one before it is kept if it has proved sound."""
        if self.cautious and self.due and self.path.exists():
            self.path.replace(self.before)
        write(self.path)
        self._calm = 0

    def collapsed(self) -> None:
        """Put the last sound checkpoint in its place."""
        if not self.due and self.before.exists():
            self.before.replace(self.path)

    def finished(self) -> None:
        """Leave the newest alone."""
        self.before.unlink(missing_ok=True)
