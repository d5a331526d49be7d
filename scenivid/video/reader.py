"""The one protocol behind every source of frames."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

from scenivid.frames import Clip
from scenivid.video.info import VideoInfo


class VideoReader(Protocol):
    """Frames of one source, in presentation order, rotated upright, as full-range RGB.

    A reader is opened by `open_video` and closed by `with`. Reading ahead is bounded whatever the
    consumer's speed, and an error in a reader's thread is raised in `clips`.
    """

    @property
    def info(self) -> VideoInfo:
        """What the source says about itself."""
        ...

    @property
    def decoder(self) -> str:
        """'decord', 'pyav' or 'images', with the reason it was chosen: 'pyav (10 bits)'."""
        ...

    def clips(self, batch: int) -> Iterator[Clip]:
        """Yield consecutive clips of `batch` frames, the last one maybe shorter.

        Raises:
            InputError: damaged data, or fewer frames decoded than the container holds.
        """
        ...

    def close(self) -> None:
        """Stop threads and release the file; safe to call twice."""
        ...

    def __enter__(self) -> VideoReader: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
