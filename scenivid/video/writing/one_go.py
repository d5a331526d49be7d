"""What writers share whose output is made in one go: it can't be taken up again, nor made in parts."""

from __future__ import annotations

from typing import Any

from scenivid.pixels import Clip, StoredClip
from scenivid.video.writing.picture.pieces import Piece


class InOneGo:
    """A part of `VideoWriter`."""

    @property
    def restartable(self) -> bool:
        """See `VideoWriter.restartable`."""
        return False

    @property
    def ticks(self) -> dict[str, Any]:
        """Nobody goes on from there."""
        return {}

    def skip(self, clip: Clip | StoredClip) -> None:
        """Nothing is ever there already."""

    def end_piece(self) -> Piece | None:
        """There are no pieces."""
        return None
