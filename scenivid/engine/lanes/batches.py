"""Some frames at once, as tensors: what the stages of `tensors` take, and how clips become it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from scenivid.engine.shots import Edges, Shots, mark_of
from scenivid.flow.consistency import Motion
from scenivid.pixels import Clip, StoredClip


@dataclass(frozen=True, eq=False)
class Batch:
    """Some frames on their way; what later stages don't need is let go."""

    source: Clip | StoredClip
    """RGB."""
    number: int
    """Of the first frame, counted from 0."""
    edges: Edges = Edges()
    full: Tensor | None = None
    """Source pixels on the device, integers, [T, 3, H, W]."""
    rgb: Tensor | None = None
    """The source at the painting size, float, [T, 3, h, w]."""
    cuts: tuple[bool, ...] = ()
    """Whether each frame begins a shot."""
    motion: Motion | None = None
    styled: Tensor | None = None
    """[T, 3, h, w], float, or four channels with a line field."""
    kept: tuple[int, ...] = ()
    """Frames whose source is kept, since the style failed on them."""
    done: Tensor | None = None
    """Finished pixels, on the host once `ready` has happened."""
    ready: Any = None
    """The CUDA event after the last stage's work."""

    def tensors(self) -> Iterator[Tensor]:
        """Everything on the device."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor):
                yield value
        if self.motion is not None:
            yield from (self.motion.flow, self.motion.confidence)


def batches(clips: Iterable[Clip], first: int, size: int, shots: Shots) -> Generator[Batch, None, None]:
    """As many frames at once as wanted, counted from the beginning of each piece.

    So what is computed together doesn't depend on where a run was taken up.
    """
    row = _Row(first)
    for clip in clips:
        for index in range(len(clip)):
            seen = shots.see(clip.part(index, index + 1))
            if seen.begins and row.cuts:
                yield row.taken()
            row.add(clip, index, seen.cut, shots.edges(0, seen))
            if seen.full or len(row.cuts) == size:
                yield row.taken()
    if row.cuts:
        yield row.taken()


class _Row:
    """Frames that will be one batch."""

    def __init__(self, number: int) -> None:
        self.cuts: list[bool] = []
        self._number, self._edges = number, Edges()
        self._held: list[tuple[Clip, int, int]] = []

    def add(self, clip: Clip, index: int, cut: bool, edges: Edges) -> None:
        opening = self._edges if self.cuts else edges
        self._edges = replace(edges, begins=opening.begins, before=opening.before)
        self.cuts.append(cut)
        last, begin, end = self._held[-1] if self._held else (None, 0, 0)
        if last is clip and end == index:
            self._held[-1] = (clip, begin, index + 1)
        else:
            self._held.append((clip, index, index + 1))

    def taken(self) -> Batch:
        source = _joined([clip.part(begin, end) for clip, begin, end in self._held])
        batch = Batch(source, self._number, replace(self._edges, mark=mark_of(source)), cuts=tuple(self.cuts))
        self._number += len(source)
        self._held, self.cuts = [], []
        return batch


def _joined(clips: list[Clip]) -> Clip:
    if len(clips) == 1:
        return clips[0]
    durations = [clip.durations or (None,) * len(clip) for clip in clips]
    alphas = [clip.alpha for clip in clips if clip.alpha is not None]
    return Clip(
        torch.cat([clip.pixels for clip in clips]),
        tuple(pts for clip in clips for pts in clip.pts),
        tuple(length for some in durations for length in some),
        torch.cat(alphas) if alphas else None,
    )


def rgb_of(clip: Clip | StoredClip) -> Clip:
    """The only clips that come here."""
    assert isinstance(clip, Clip)
    return clip
