"""One passage of a film, from a boundary on: read, stylized, and kept in pieces; or only looked at.

Whether a film is made in one passage or in several, by one process or by many, the pieces are the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from scenivid.engine.chain import Chain
from scenivid.engine.lanes.planes import Frame
from scenivid.engine.loading.agreed import agree
from scenivid.engine.loading.loaded import Loaded
from scenivid.engine.segments.work import Boundary, Work, piece_lengths
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.shots import States, mark_of
from scenivid.engine.stages import Stopwatch
from scenivid.machine.cores import set_up
from scenivid.machine.devices import is_cpu, resolve_device
from scenivid.pixels import Clip, StoredClip
from scenivid.video.info import VideoInfo
from scenivid.video.open import open_video
from scenivid.video.reading.pictures.images import SUFFIXES
from scenivid.video.reading.reader import VideoReader
from scenivid.video.tonemap import tonemap
from scenivid.video.writing.writer import WriterSettings, open_writer

if TYPE_CHECKING:
    import torch

    from scenivid.engine.lanes.batches import Batch
    from scenivid.styles.stylizer import Stylizer

AnyClip = Clip | StoredClip
Progress = Callable[[int, int | None], None]
"""Called with frames done and frames expected (None where the container doesn't say)."""


@dataclass(frozen=True)
class Shot:
    """A boundary across which nothing but these states is remembered."""

    at: Boundary
    states: States


class Passage:
    """Everything that is open while a passage is made; used in `with`.

    Leaving `with` finishes the output, if `work` says that it becomes whole; `notes` are complete after that.
    """

    def __init__(
        self,
        source: Path,
        output: Path,
        settings: StylizeSettings,
        work: Work,
        stylizer: Stylizer | None = None,
        loaded: Loaded | None = None,
    ) -> None:
        """Open the source, the output and the style; go to where `work` goes on.

        Args:
            stylizer: used in place of `settings.style`.
            loaded: styles from runs before.

        Raises:
            InputError, OutputError, CheckpointError, ConfigError: as `run.stylize`.
        """
        self.settings = settings = work.pinned(settings)
        self.watch = Stopwatch()
        self._work, self._source = work, source
        self._told: list[str] = []
        self._last = (Fraction(0), 0)
        device = _device(settings)
        with ExitStack() as undo:
            self._reader: VideoReader = self._open(work.at.last if work.at and work.at.seeks else None)
            undo.callback(lambda: self._reader.close())
            reader = self._reader
            info = reader.info
            wanted = WriterSettings(
                settings.codec,
                settings.crf,
                settings.overwrite,
                str(device),
                preset=settings.preset,
                pixel_format=settings.pixel_format,
                stream=settings.stream,
            )
            trimmed = settings.start is not None or settings.duration is not None
            one = info.frames == 1 or (trimmed and output.suffix.lower() in SUFFIXES and reader.frames == 1)
            self.writer = undo.enter_context(
                open_writer(
                    output,
                    replace(info, frames=1) if one else info,
                    wanted,
                    start=settings.start,
                    duration=settings.duration,
                    work=work.place,
                )
            )
            self._stored = reader.stores and str(device) == "cpu" and self.writer.stored is not None
            self._chain = Chain.build(
                still(settings) if one else settings,
                device,
                stylizer,
                (info.height, info.width),
                None if self._stored else self.writer.dtype,
                self._told,
                stored=self.writer.stored if self._stored else None,
                pieces=piece_lengths(info.rate_hz),
                loaded=loaded,
            )
            self.settled = {
                **self._chain.settled,
                "decoder": reader.decoder,
                "encoder": self.writer.encoder,
            }
            self.expected = expected_frames(info, settings.start, settings.duration)
            work.settle(self.settled)
            self._chain.restore(work.states())
            if settings.resume and not self.writer.restartable:
                kind = f"{output.suffix} ({self.writer.encoder})"
                self._told.append(f"{kind} is made in one go: a run that was stopped begins anew")
            self._opened = undo.pop_all()

    @property
    def notes(self) -> list[str]:
        """What there is to tell, each once."""
        before = self._work.at.notes if self._work.at else ()
        return list(dict.fromkeys([*before, *self._reader.notes, *self.writer.notes, *self._told]))

    @property
    def lost(self) -> int:
        """Frames that damage took."""
        return self._reader.frames_lost

    def make(self, frames: int | None = None, progress: Progress | None = None) -> int:
        """Stylize the frames from here on, at most so many; returns how many are done in all."""
        done = self._work.frames
        with self._running(self._chain, frames) as parts:
            for part in parts:
                with self.watch.stage("encode"):
                    if part.edges.begins:
                        self._end_piece(done, part.edges.before)
                    self.writer.write(part.source)
                    done += len(part.source)
                    self._last = part.source.pts[-1], part.edges.mark
                    if part.edges.ends:
                        self._end_piece(done, part.edges.after)
                if progress is not None:
                    progress(done, self.expected)
        if not self._work.whole:
            self._end_piece(done, ())
        return done

    def look(self, progress: Progress | None = None) -> Generator[Shot, None, Boundary]:
        """Only look at the frames: where pieces begin that depend on nothing before; returns the end."""
        done = self._work.frames
        with self._running(self._chain.scouting, None) as parts:
            for part in parts:
                if part.edges.begins and part.edges.before:
                    yield Shot(self._boundary(done), part.edges.before)
                self.writer.skip(part.source)
                done += len(part.source)
                self._last = part.source.pts[-1], part.edges.mark
                if progress is not None:
                    progress(done, self.expected)
        return self._boundary(done)

    def __enter__(self) -> Passage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def _boundary(self, done: int) -> Boundary:
        time, mark = self._last
        seeks = self._reader.seeks
        notes = tuple(dict.fromkeys([*self._reader.notes, *self._told]))
        return Boundary(done, str(time), mark, seeks, self.writer.ticks, notes)

    def _end_piece(self, done: int, states: States) -> None:
        piece = self.writer.end_piece()
        if piece is not None:
            self._work.add(piece, self._boundary(done), states)

    def _open(self, at: str | None) -> VideoReader:
        settings = self.settings
        return open_video(
            self._source,
            settings.decoder,
            settings.start,
            settings.duration,
            settings.reading,
            None if at is None else Fraction(at),
        )

    @contextmanager
    def _running(self, chain: Chain, frames: int | None) -> Iterator[Iterator[Frame | Batch]]:
        clips = self._clips() if frames is None else _first(self._clips(), frames)
        with (
            closing(chain.parts(clips, self._work.frames)) as parts,
            set_up(chain.threads),
            chain.running(parts, self.watch) as results,
        ):
            yield results

    def _clips(self) -> Generator[AnyClip, None, None]:
        """The frames from here on."""
        at = self._work.at
        if at is None:
            yield from self._read()
            return
        last = Fraction(at.last)
        clips = self._read()
        head = next(clips, None)
        if at.seeks and (head is None or head.pts[0] != last or mark_of(head.part(0, 1)) != at.mark):
            clips.close()  # a decoder that begins there gives something else: begin at the beginning
            self._reader.close()
            self._reader = self._open(None)
            clips = self._read()
            head = next(clips, None)
        with closing(clips):
            while head is not None:
                seen = bisect_right(head.pts, last)
                if seen < len(head):
                    yield head.part(seen, len(head))
                head = next(clips, None)

    def _read(self) -> Generator[AnyClip, None, None]:
        """The reader's clips, HDR tone-mapped; the time spent waiting for them is `decode`."""
        reader, batch = self._reader, self._chain.batch
        clips: Iterator[AnyClip] = reader.stored_clips(batch) if self._stored else reader.clips(batch)
        try:
            while True:
                with self.watch.stage("decode"):
                    clip = next(clips, None)
                    if isinstance(clip, Clip) and reader.info.color.hdr:
                        clip = tonemap(clip, reader.info)
                if clip is None:
                    return
                yield clip
        finally:
            if isinstance(clips, Generator):
                clips.close()


def _device(settings: StylizeSettings) -> str | torch.device:
    """The one that is asked for, or agreed on; 'cpu' without loading torch."""
    found = "cpu" if is_cpu(settings.device) else resolve_device(settings.device)
    if settings.device != "auto" or (agreed := agree(settings.agreed, "device", str(found))) == str(found):
        return found
    return "cpu" if is_cpu(agreed) else resolve_device(agreed)


def still(settings: StylizeSettings) -> StylizeSettings:
    """What a single picture needs: no motion, and no engine that takes longer to set up than it saves."""
    return replace(
        settings, consistency=0.0, engine="torch" if settings.engine == "auto" else settings.engine
    )


def expected_frames(info: VideoInfo, start: Fraction | None, duration: Fraction | None) -> int | None:
    """Frames that a run will see, as far as the container tells."""
    if info.frames is None:
        return None
    if start is None and duration is None:
        return info.frames
    begin = start or Fraction(0)
    first = ceil(begin * info.rate_hz)  # the frames that begin in the part, as a timeline has it
    last = info.frames if duration is None else min(info.frames, ceil((begin + duration) * info.rate_hz))
    return max(0, last - first)


def _first(clips: Generator[AnyClip, None, None], frames: int) -> Generator[AnyClip, None, None]:
    """The first `frames` of them."""
    with closing(clips):
        while frames > 0 and (clip := next(clips, None)) is not None:
            yield clip.part(0, min(len(clip), frames))
            frames -= len(clip)
