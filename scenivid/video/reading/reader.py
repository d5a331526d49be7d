"""The one protocol behind every source of frames."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Protocol

from scenivid.machine.ahead import ReadAhead
from scenivid.pixels import Clip, StoredClip
from scenivid.video.info import VideoInfo
from scenivid.video.reading.findings import Findings

_CLIPS_AHEAD = 2


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

    @property
    def frames(self) -> int | None:
        """How many frames `clips` will yield in all, for progress; None where only reading tells."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the source, in sentences; complete once `clips` has ended."""
        ...

    @property
    def frames_lost(self) -> int:
        """Frames that damage took, as far as the source tells; complete once `clips` has ended."""
        ...

    def clips(self, batch: int) -> Iterator[Clip]:
        """Yield consecutive clips of `batch` frames, the last one maybe shorter.

        Raises:
            InputError: damaged data, or fewer frames decoded than the container holds.
        """
        ...

    @property
    def stores(self) -> bool:
        """Whether `stored_clips` can be called."""
        ...

    def stored_clips(self, batch: int) -> Iterator[StoredClip]:
        """`clips` as the file stores them, where that is 8 bits of 4:2:0."""
        ...

    @property
    def seeks(self) -> bool:
        """Whether another reader may begin after the frames that came so far, and give the same ones."""
        ...

    def close(self) -> None:
        """Stop threads and release the file; safe to call twice."""
        ...

    def __enter__(self) -> VideoReader: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ThreadedReader:
    """The reader of every source: a generator of clips, run ahead in a bounded thread."""

    def __init__(
        self,
        info: VideoInfo,
        decoder: str,
        frames: int | None,
        produce: Callable[[int, Findings], Generator[Clip, None, None]],
        known: Findings | None = None,
        strict: bool = False,
        produce_stored: Callable[[int, Findings], Generator[StoredClip, None, None]] | None = None,
        seeks: bool = False,
    ) -> None:
        """
        Args:
            info: of the source.
            decoder: who decodes, and why.
            frames: how many will come, where known.
            produce: opens the source, yields its clips in order, and closes it; told the batch, and where
                to say what it finds.
            known: what was found on opening.
            strict: damage is an error.
            produce_stored: the same for clips as the file stores them, where that can be had.
            seeks: whether `open_video` heeds `at` for this source.
        """
        self._info = info
        self._decoder = decoder
        self._frames = frames
        self._produce = produce
        self._produce_stored = produce_stored
        self._known = known or Findings(info.path)
        self._strict, self._seeks = strict, seeks
        self._findings = self._known
        self._ahead: ReadAhead[Clip] | ReadAhead[StoredClip] | None = None

    @property
    def info(self) -> VideoInfo:
        """What the source says about itself."""
        return self._info

    @property
    def decoder(self) -> str:
        """Who decodes, and why."""
        return self._decoder

    @property
    def frames(self) -> int | None:
        """How many frames `clips` will yield."""
        return self._frames

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, so far."""
        return self._findings.notes

    @property
    def frames_lost(self) -> int:
        """Frames that damage took, so far."""
        return self._findings.frames_lost

    def clips(self, batch: int) -> Iterator[Clip]:
        """Yield clips of `batch` frames from the beginning; a second call ends the first."""
        ahead = self._ahead = ReadAhead(self._produce(batch, self._begin(batch)), _CLIPS_AHEAD, "decode")
        try:
            yield from ahead
        finally:
            ahead.close()

    @property
    def stores(self) -> bool:
        """Whether `stored_clips` can be called."""
        return self._produce_stored is not None

    def stored_clips(self, batch: int) -> Iterator[StoredClip]:
        """`clips` as the file stores them."""
        if self._produce_stored is None:
            raise ValueError(f"{self._info.path} can't be read as it is stored")
        source = self._produce_stored(batch, self._begin(batch))
        ahead = self._ahead = ReadAhead(source, _CLIPS_AHEAD, "decode")
        try:
            yield from ahead
        finally:
            ahead.close()

    @property
    def seeks(self) -> bool:
        """Whether another reader may begin after the frames that came so far."""
        found = self._findings
        return self._seeks and not found.chained and not found.frames_lost

    def close(self) -> None:
        """Stop and join the thread; safe to call twice."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _begin(self, batch: int) -> Findings:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self.close()
        self._findings = Findings(self._info.path, self._strict, self._known)
        return self._findings

    def __enter__(self) -> ThreadedReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
