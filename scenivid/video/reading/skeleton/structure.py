"""What the skeleton of a file says about its wholeness, where FFmpeg passes over damage in silence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Structure:
    """What was found."""

    whole: bool = True
    """Whether the skeleton is sound: nothing between the frames has become something else."""
    complete: bool = True
    """Whether there are as many bytes as the header announces."""
    closed: bool = True
    """Whether the data end where something ends, not in the middle of it."""
    frames: int | None = None
    """Frames that the skeleton counts or its header announces, where it does."""
    listed: int | None = None
    """Frames that a broken index names; by an edit list, fewer may be meant to be shown."""
