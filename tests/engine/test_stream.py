"""Frames one by one, as a program takes them: those that the engine writes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from small_runs import FRAMES, read

import scenivid
from scenivid import FrameStylizer, StylizeSettings
from scenivid.errors import InputError

Picture = np.ndarray[Any, Any]


def written(clip: Path, settings: StylizeSettings) -> list[Picture]:
    """What the engine writes of a clip as pictures, RGB."""
    folder = clip.with_name("written")
    scenivid.stylize(clip, folder, settings)
    return [cv2.imread(str(path))[..., ::-1] for path in sorted(folder.iterdir())]


@pytest.fixture
def settings(style: str) -> StylizeSettings:
    return StylizeSettings(style=style, device="cpu", flow="dis", engine="torch")


def source(clip: Path) -> list[Picture]:
    pixels, _ = read(clip)
    return [frame.permute(1, 2, 0).numpy() for frame in pixels]


def test_frames_of_a_file_are_those_that_stylize_writes_at_their_times(
    clip: Path, settings: StylizeSettings
) -> None:
    made = list(scenivid.frames(str(clip), settings))
    _, times = read(clip)
    assert [frame.pts for frame in made] == times
    for frame, expected in zip(made, written(clip, settings), strict=True):
        assert frame.pixels.dtype == np.uint8 and (frame.pixels == expected).all()


def test_arrays_give_what_the_file_gives_that_they_come_from(clip: Path, settings: StylizeSettings) -> None:
    by_file = list(scenivid.frames(clip, settings))
    by_array = list(scenivid.frames(source(clip), replace(settings, fps=Fraction(10))))
    assert [pts for _, pts in by_array] == [Fraction(index, 10) for index in range(FRAMES)]
    assert all((a.pixels == b.pixels).all() for a, b in zip(by_file, by_array, strict=True))


def test_frames_that_are_handed_over_one_by_one_are_the_same(clip: Path, settings: StylizeSettings) -> None:
    expected = list(scenivid.frames(clip, settings))
    with FrameStylizer(settings, 96, 64) as stylizer:
        made = [stylizer(picture) for picture in source(clip)]
        stylizer.forget()
        again = [stylizer(picture) for picture in source(clip)]
    for frame, one, other in zip(expected, made, again, strict=True):
        assert np.abs(one.astype(int) - frame.pixels).max() <= 1  # sums over other numbers of threads
        assert (other == one).all()


def test_what_came_before_shows_until_it_is_forgotten(clip: Path, settings: StylizeSettings) -> None:
    first, second, *_ = source(clip)
    with FrameStylizer(replace(settings, consistency=1.0), 96, 64) as stylizer:
        alone = stylizer(second)
        stylizer.forget()
        stylizer(first)
        assert (stylizer(second) != alone).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparency_and_depth_pass_through(dtype: type) -> None:
    pictures = np.random.default_rng(0).integers(1, np.iinfo(dtype).max, (3, 16, 24, 4), dtype=dtype)
    made = list(scenivid.frames(pictures, StylizeSettings(style="none", device="cpu")))
    assert all((frame.pixels == picture).all() for frame, picture in zip(made, pictures, strict=True))


def test_a_loop_that_is_left_early_stops_every_thread(clip: Path, settings: StylizeSettings) -> None:
    before = threading.active_count()
    taken = list(itertools.islice(frames := scenivid.frames(clip, settings), 2))
    frames.close()
    assert len(taken) == 2 and threading.active_count() == before


def test_endless_sources_give_frames_as_they_come() -> None:
    asked = []

    def endless() -> Iterator[Picture]:
        for number in itertools.count():
            asked.append(number)
            yield np.full((8, 8, 3), number % 256, np.uint8)

    frames = scenivid.frames(endless(), StylizeSettings(style="none", device="cpu"))
    for number in range(20):
        assert next(frames).pixels[0, 0, 0] == number
        assert len(asked) < number + 20
    frames.close()


def test_frames_without_sense_are_one_clear_error(settings: StylizeSettings) -> None:
    good = np.zeros((8, 8, 3), np.uint8)
    for wrong, says in (
        ([np.zeros((8, 8), np.uint8)], "is no frame"),
        ([np.zeros((8, 8, 3), np.float32)], "is no frame"),
        ([good, np.zeros((8, 9, 3), np.uint8)], "frame 2 differs"),
        ([], "no frame"),
    ):
        with pytest.raises(InputError, match=says):
            list(scenivid.frames(wrong, settings))
    with FrameStylizer(settings, 8, 8) as stylizer, pytest.raises(InputError, match="expected 8x8"):
        stylizer(np.zeros((9, 8, 3), np.uint8))
