"""Two videos side by side in one, every frame of both, through our own readers and writer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.machine import aside
from scenivid.pixels import Clip, to_float, to_pixels
from scenivid.video.open import open_video
from scenivid.video.reading.reader import VideoReader
from scenivid.video.tonemap import tonemap
from scenivid.video.writing.writer import WriterSettings, open_writer

_BATCH = 4
_SAME = Fraction(1, 500)
"""Seconds within which frames of both count as shown at once: containers round to milliseconds."""


def compare(
    first: Path, second: Path, output: Path, *, stacked: bool = False, overwrite: bool = False
) -> list[str]:
    """Write `first` and `second` beside each other (or stacked), scaled to the size of `first`.

    Every frame of both is shown at its time, counted from the first frame; HDR is tone-mapped as it is
    for styles. The output ends with the shorter one and has the sound of `first`.

    Returns:
        What could not be kept, in sentences.

    Raises:
        InputError: one of the inputs is no video.
        OutputError: the output exists, is one of the inputs, or can't be written.
    """
    with open_video(first) as one, open_video(second) as other:
        aside.check(output, second, overwrite)
        info = one.info
        # Even sizes, for players: a row or column less is no loss to look at.
        height, width = info.height - info.height % 2, info.width - info.width % 2
        joined = replace(
            info,
            width=width if stacked else 2 * width,
            height=2 * height if stacked else height,
            bit_depth=8,
            chroma="420",
            frames=None,
            names=(),
            alpha=False,
        )
        with open_writer(output, joined, WriterSettings(overwrite=overwrite)) as writer:
            for time, length, pictures in _together(_shown(one), _shown(other)):
                pair = [_fitted(picture, height, width) for picture in pictures]
                pixels = torch.cat(pair, dim=1 if stacked else 2)[None]
                writer.write(Clip(to_pixels(pixels, writer.dtype), (info.start + time,), (length,)))
    return writer.notes


@dataclass(frozen=True, eq=False)
class _Frame:
    time: Fraction
    """Seconds after the first."""
    end: Fraction
    picture: Tensor
    """[3, H, W] in [0, 1], transparency laid on black."""


def _shown(reader: VideoReader) -> Iterator[_Frame]:
    """The frames of one video as they look on a screen."""
    start: Fraction | None = None
    usual = 1 / reader.info.rate_hz if reader.info.rate_hz > 0 else Fraction(1, 25)
    for clip in reader.clips(_BATCH):
        mapped = tonemap(clip, reader.info) if reader.info.color.hdr else clip
        pixels = to_float(mapped.pixels)
        if mapped.alpha is not None:
            pixels = pixels * to_float(mapped.alpha)
        lengths = mapped.durations or (None,) * len(mapped)
        for picture, pts, length in zip(pixels, mapped.pts, lengths, strict=True):
            start = pts if start is None else start
            yield _Frame(pts - start, pts - start + (length or usual), picture)


def _together(
    one: Iterator[_Frame], other: Iterator[_Frame]
) -> Iterator[tuple[Fraction, Fraction, tuple[Tensor, Tensor]]]:
    """Each moment at which either changes: when, for how long at least, and both pictures."""
    sides = [one, other]
    now = [next(side, None) for side in sides]
    coming = [next(side, None) for side in sides]
    time = Fraction(0)
    while now[0] is not None and now[1] is not None:
        due = [frame.time for frame in coming if frame is not None]
        following = min(due, default=None)
        ends = [shown.end for shown, after in zip(now, coming, strict=True) if shown and after is None]
        end = min([*ends, *([] if following is None else [following])])
        yield time, max(end - time, _SAME), (now[0].picture, now[1].picture)
        if following is None or any(last <= following + _SAME for last in ends):
            return
        for index, frame in enumerate(coming):
            if frame is not None and frame.time <= following + _SAME:
                now[index], coming[index] = frame, next(sides[index], None)
        time = following


def _fitted(picture: Tensor, height: int, width: int) -> Tensor:
    """The picture at this size; one row or column too many is cut off, anything else is scaled."""
    if 0 <= picture.shape[1] - height <= 1 and 0 <= picture.shape[2] - width <= 1:
        return picture[:, :height, :width]
    size = (height, width)
    return F.interpolate(picture[None], size, mode="bicubic", antialias=True, align_corners=False)[0]
