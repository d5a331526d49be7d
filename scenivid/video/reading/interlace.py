"""Whole frames of interlaced footage, one for one, and what its fields give away."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from scenivid.video.reading.findings import Findings

_FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
_ENOUGH = 20
"""Pairs of moving frames after which telecine can be told."""


def deinterlaced(frames: Iterator[VideoFrame], findings: Findings, wanted: bool) -> Iterator[VideoFrame]:
    """The same number of frames at the same times; those that say they are interlaced, without combs.

    Args:
        frames: decoded, in presentation order, with `pts`.
        findings: told once.
        wanted: False only notes.
    """
    film = _Film()
    graph: _OneForOne | None = None
    for frame in frames:
        if frame.interlaced_frame:
            findings.note(
                "interlaced: whole frames were made of its fields (bwdif); --deinterlace off leaves them"
                if wanted
                else "interlaced: its combs were left (--deinterlace off)"
            )
            film.see(frame)
            findings.chained = findings.chained or wanted
        if not wanted or (graph is None and not frame.interlaced_frame):
            yield frame
            continue
        if graph is not None and not graph.fits(frame):
            yield from graph.push(None)
            graph = None
        graph = graph or _OneForOne(frame)
        yield from graph.push(frame)
    if graph is not None:
        yield from graph.push(None)
    if film.telecined:
        findings.note(
            "telecined: every fifth frame repeats fields, as film of 24 frames a second does on video of 30;"
            " undo it first (fieldmatch, decimate) for the best result"
        )


class _OneForOne:
    """The filter, and the times of what is inside it."""

    def __init__(self, like: VideoFrame) -> None:
        self._shape = _shape(like)
        self._inside: deque[tuple[int | None, int]] = deque()
        graph = self._graph = Graph()
        width, height, name = self._shape
        source = graph.add_buffer(
            width=width, height=height, format=VideoFormat(name), time_base=like.time_base
        )
        deinterlace, sink = graph.add(*_FILTER), graph.add("buffersink")
        source.link_to(deinterlace)
        deinterlace.link_to(sink)
        graph.configure()

    def fits(self, frame: VideoFrame) -> bool:
        """Whether `frame` is of the kind that this filter was made for."""
        return _shape(frame) == self._shape

    def push(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """Give a frame (None: no more) and take what is ready."""
        if frame is not None:
            self._inside.append((frame.pts, frame.duration))
        self._graph.push(frame)
        while self._inside:
            try:
                made = self._graph.pull()
            except (BlockingIOError, EOFError, FFmpegError):
                return
            assert isinstance(made, VideoFrame)
            made.pts, made.duration = self._inside.popleft()
            yield made


def _shape(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


@dataclass
class _Film:
    """Looks for 3:2 pulldown: of five steps, one repeats the top field and one the bottom field."""

    last: npt.NDArray[Any] | None = None
    repeats: list[tuple[bool, bool]] = field(default_factory=list)

    def see(self, frame: VideoFrame) -> None:
        """Compare the fields of `frame` with those of the one before."""
        if len(self.repeats) >= 5 * _ENOUGH or frame.format.is_planar is False:
            return
        plane = frame.planes[0]
        wide = 2 if plane.line_size >= 2 * frame.width else 1
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : frame.width * wide]
        luma = rows[:, wide - 1 :: 4 * wide].astype(np.int16)  # the upper byte of deep samples
        if self.last is not None and self.last.shape == luma.shape:
            moved = np.abs(luma - self.last)
            top, bottom = float(moved[0::2].mean()), float(moved[1::2].mean())
            if max(top, bottom) > 0.5:
                self.repeats.append((top < 0.4 * bottom, bottom < 0.4 * top))
        self.last = luma

    @property
    def telecined(self) -> bool:
        """Whether the pattern is there."""
        seen = len(self.repeats)
        if seen < _ENOUGH:
            return False
        return all(0.12 <= sum(pair[which] for pair in self.repeats) / seen <= 0.3 for which in (0, 1))
