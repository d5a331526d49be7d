"""From a source to rows and pictures: read, judge, cut, store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np

from scenivid.errors import DataError, InputError
from scenivid.training.data.images import decode
from scenivid.training.prepare.alike import Print, Seen, print_of
from scenivid.training.prepare.bars import darkness, inside
from scenivid.training.prepare.faces import open_faces
from scenivid.training.prepare.judge import Rules, Verdict, judge
from scenivid.training.prepare.picture import Box, Image, luma, reduced, whole_box
from scenivid.training.prepare.shots import Point, frames, opened, shots
from scenivid.training.prepare.sources import Source
from scenivid.training.prepare.squares import squares
from scenivid.training.prepare.store import End, Row, Store
from scenivid.video.reading.reader import VideoReader

logger = logging.getLogger(__name__)


class Maker:
    """Takes sources one by one into a store."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        crops: int,
        size: int,
        every_s: float,
        faces_weights: Path | None = None,
    ) -> None:
        self._store, self._rules, self._crops, self._size = store, rules, crops, size
        self._every_s = every_s
        self._faces = open_faces(faces_weights) if rules.faces == "drop" else None
        self._seen = Seen()
        for row in store.rows:
            if row.print:
                self._seen.add(Print.of_text(row.print), row.images[0])

    def take(
        self,
        source: Source,
        numbers: Sequence[int] | None,
        stop: Callable[[], bool],
        tell: Callable[[int], None],
    ) -> bool:
        """Do what is left to do of a source.

        Args:
            numbers: exactly these frames; None: the best of each shot.
            stop: asked at each frame.
            tell: told how many frames of the source were read.

        Returns:
            Whether the source is finished; False if `stop` said so.
        """
        end = self._store.ends.get(source.key)
        if end is not None:
            if source.bytes not in (0, end.bytes):
                logger.warning(
                    "%s has changed since it was used; its pictures are those of before", source.name
                )
            return True
        if not source.film:
            self._photograph(source)
            return True
        try:
            read, notes = self._film(source, numbers, stop, tell)
        except InputError as exc:
            logger.warning("%s: %s", source.name, exc)
            self._store.miss(Row(source.name, None, reason="unreadable", detail=str(exc)))
            read, notes = 0, (str(exc),)
        if read is None:
            return False
        self._store.end(End(source.name, source.key, source.bytes, True, read, notes))
        return True

    def _photograph(self, source: Source) -> None:
        try:
            image = np.asarray(decode(source.entry))
        except DataError as exc:
            self._store.miss(Row(source.name, None, reason="unreadable", detail=str(exc)))
        else:
            box = inside(image, darkness(luma(reduced(image)))) if self._rules.bars else whole_box(image)
            self._judge(Row(source.name, None), image, box, 1.0)
        self._store.end(End(source.name, source.key, source.bytes, False))

    def _film(
        self,
        source: Source,
        numbers: Sequence[int] | None,
        stop: Callable[[], bool],
        tell: Callable[[int], None],
    ) -> tuple[int | None, tuple[str, ...]]:
        """Frames of the film, None if it isn't finished; and what its reader had to say."""
        rows = self._store.rows_of(source.name)
        after = None
        before = next((Box(*row.box) for row in reversed(rows) if row.box), None)
        if numbers is None and rows and rows[-1].then:
            frame, again, seconds = rows[-1].then
            after = Point(frame, again, Fraction(seconds))
        with opened(source.entry.path, after.seconds if after is not None else None) as reader:
            if numbers is not None:
                return self._listed(source, numbers[len(rows) :], before, reader, stop), reader.notes
            aspect, last = float(reader.info.sample_aspect), rows[-1].span[1] if rows else -1
            with closing(shots(reader, after, self._every_s, stop)) as found:
                for shot in found:
                    best = shot.best
                    box = whole_box(best.image)
                    if self._rules.bars:
                        box = before = inside(best.image, shot.dark, before)
                    then = (shot.then.frame, shot.then.again, str(shot.then.seconds))
                    row = Row(source.name, best.number, best.seconds, (shot.first, shot.last), then=then)
                    self._judge(row, best.image, box, aspect)
                    last = shot.last
                    tell(last + 1)
            return None if stop() else last + 1, reader.notes

    def _listed(
        self,
        source: Source,
        numbers: Sequence[int],
        before: Box | None,
        reader: VideoReader,
        stop: Callable[[], bool],
    ) -> int | None:
        """Take exactly these frames, and judge nothing but their bars."""
        wanted, count = set(numbers), 0
        for number, seconds, image in frames(reader):
            if stop():
                return None
            count = number + 1
            if number in wanted:
                small = reduced(image)
                box = whole_box(image)
                if self._rules.bars:
                    box = before = inside(image, darkness(luma(small)), before)
                row = Row(source.name, number, float(seconds), (number, number))
                verdict = Verdict(None, print_of(small))
                self._add(row, verdict, image, box, float(reader.info.sample_aspect), small)
        for number in sorted(n for n in wanted if n >= count):
            self._store.miss(
                Row(source.name, number, reason="missing", detail=f"the film has {count} frames")
            )
        return count

    def _judge(self, row: Row, image: Image, box: Box, aspect: float) -> None:
        part = box.of(image)
        small = reduced(part, aspect)
        shorter = round(min(box.width * aspect, box.height))
        verdict = judge(small, shorter, self._rules, self._seen, self._faces)
        self._add(row, verdict, image, box, aspect, small)

    def _add(self, row: Row, verdict: Verdict, image: Image, box: Box, aspect: float, small: Image) -> None:
        pictures = squares(image, box, self._crops, self._size, aspect) if verdict.kept else []
        stem = row.source if row.frame is None else f"{row.source}/frame_{row.frame}"
        names = tuple(f"{stem}_{i}" for i in range(len(pictures)))
        told = {
            **asdict(row),
            "reason": verdict.reason,
            "detail": verdict.detail,
            "images": names,
            "print": verdict.found.text() if verdict.kept else "",
            "box": (box.left, box.top, box.width, box.height),
        }
        self._store.add(Row(**told), pictures, small)
        if verdict.kept:
            self._seen.add(verdict.found, names[0])
        self._store.pack(last=False)
