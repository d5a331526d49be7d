"""What reading a source brings to light: notes, and frames that damage took."""

from __future__ import annotations

import logging
from pathlib import Path

from scenivid.errors import InputError

_log = logging.getLogger(__name__)


class Findings:
    """Notes and a count, filled by the reader's thread and asked by the consumer's."""

    def __init__(self, path: Path, strict: bool = False, before: Findings | None = None) -> None:
        """
        Args:
            path: the source, for messages.
            strict: damage is an error.
            before: what was known already.
        """
        self._path = path
        self.strict = strict
        """Whether damage is an error."""
        self._notes: list[str] = list(before.notes) if before is not None else []
        self.frames_lost: int = before.frames_lost if before is not None else 0
        """Frames that damage took, as far as the source tells."""
        self.chained = False
        """Whether frames so far depend on more than a decoder would know after seeking to them."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences, each once, in the order in which they were found."""
        return tuple(self._notes)

    def note(self, text: str) -> None:
        """Something to know that is no damage."""
        if text not in self._notes:
            self._notes.append(text)

    def damage(self, text: str, lost: int = 0) -> None:
        """Damage that could be patched or passed over, with the frames it took.

        Raises:
            InputError: `strict` was asked for.
        """
        if self.strict:
            raise InputError(f"{self._path}: damaged: {text} (only a note without --strict)")
        self.frames_lost += lost
        self.note(f"damaged: {text}")
