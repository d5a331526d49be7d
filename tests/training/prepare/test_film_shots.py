"""A film's shots: where they begin, which frame stands for each, and being taken up in the middle."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from films import barred, card, scene, shot, write_film

from scenivid.training.prepare.shots import Shot, opened, shots


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shots: the second is sharp only at its tenth frame, the third is short."""
    focus = shot(scene(2), 20, lambda index: 0.2 * abs(index - 10))
    parts = [shot(scene(1), 15), focus, shot(card(), 5), barred(shot(scene(4), 18), 30)]
    return write_film(
        tmp_path_factory.mktemp("film") / "film.mp4", [frame for part in parts for frame in part]
    )


def found(film: Path, stop_after: int | None = None) -> list[Shot]:
    with opened(film) as reader:
        made = []
        for one in shots(reader):
            made.append(one)
            if len(made) == stop_after:
                break
        return made


def test_shots_are_found_with_their_sharpest_frame(film: Path) -> None:
    made = found(film)
    assert [(one.first, one.last) for one in made] == [(0, 14), (15, 34), (35, 39), (40, 57)]
    assert abs(made[1].best.number - 25) <= 1
    assert all(one.first <= one.best.number <= one.last for one in made)
    assert made[0].best.number >= 3 and made[3].best.number <= 54  # not where a dissolve would be
    assert made[1].best.seconds == pytest.approx(made[1].best.number / 25)


def test_a_film_is_taken_up_at_any_shot_as_if_it_had_never_stopped(film: Path) -> None:
    whole = found(film)
    for number in (1, 2, 3):
        then = found(film, number)[-1].then
        with opened(film, then.seconds) as reader:
            rest = list(shots(reader, then))
        assert len(rest) == len(whole) - number
        for one, other in zip(rest, whole[number:], strict=True):
            assert (one.first, one.last, one.best.number) == (other.first, other.last, other.best.number)
            assert one.best.seconds == other.best.seconds and one.then == other.then
            assert np.array_equal(one.best.image, other.best.image)


def test_long_shots_can_give_more_than_one_frame(film: Path) -> None:
    with opened(film) as reader:
        made = list(shots(reader, every_s=0.3))
    assert [(one.first, one.last) for one in made][:3] == [(0, 7), (8, 14), (15, 22)]


def test_being_stopped_gives_no_half_shot(film: Path) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 30

    with opened(film) as reader:
        assert [(one.first, one.last) for one in shots(reader, stop=stop)] == [(0, 14)]


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", shot(scene(1), 4))
    with opened(path) as reader:
        assert next(iter(shots(reader))).then.seconds == Fraction(0)
