"""A look at one frame shows what reading the film would, or says that it can't."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import make_clips
import odd_clips
import pytest
from shelf import Shelf

from scenivid.errors import InputError
from scenivid.video.glance import glance
from scenivid.video.info import VideoInfo
from scenivid.video.open import open_video, probe

PLACES = [Fraction(part, 7) for part in range(7)]
"""Where to look, as parts of the length."""
LOOKED_INTO = [
    make_clips.plain, make_clips.variable_rate, make_clips.b_frames, make_clips.open_groups,
    make_clips.start_offset, make_clips.edit_list, make_clips.ten_bit, make_clips.odd_size,
    odd_clips.h264_open,
]  # fmt: skip


def _path(shelf: Shelf, maker: Callable[..., object], suffix: str) -> Path:
    made = shelf.take(maker, suffix)
    return made if isinstance(made, Path) else made.path


def _length(info: VideoInfo) -> Fraction:
    return info.duration or Fraction(1)


@pytest.mark.parametrize("maker", LOOKED_INTO)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_it_is_the_frame_that_reading_gives(shelf: Shelf, maker: Callable[..., object], suffix: str) -> None:
    info = probe(_path(shelf, maker, suffix))
    found = 0
    for at in (place * _length(info) for place in PLACES):
        clip = glance(info, at)
        try:
            with open_video(info.path, start=at or None) as reader:
                expected = next(iter(reader.clips(1)))
        except InputError:
            assert clip is None
            continue
        if clip is not None:
            found += 1
            assert clip.pts == expected.pts
            assert (clip.pixels == expected.pixels).all()
    assert found >= len(PLACES) - 2


@pytest.mark.parametrize(
    ("maker", "suffix"),
    [(odd_clips.interlaced, ".mp4"), (odd_clips.hevc_radl, ".ts"), (odd_clips.avi, ".avi")],
)
def test_what_takes_more_than_a_look_is_left_to_reading(
    shelf: Shelf, maker: Callable[..., object], suffix: str
) -> None:
    info = probe(_path(shelf, maker, suffix))
    assert glance(info, Fraction(0)) is None


def test_beyond_the_end_there_is_nothing(shelf: Shelf) -> None:
    assert glance(probe(_path(shelf, make_clips.plain, ".mp4")), Fraction(99)) is None
