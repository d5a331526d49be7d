"""A film that a crew makes in parts has the bytes of one that a single run makes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shots_clip import LENGTHS, make_film
from small_runs import Stop, random_settings

from scenivid.cluster.crew import Alone, Crew
from scenivid.cluster.film import left_in_parts, stylize_in_parts
from scenivid.cluster.processes import Processes
from scenivid.engine import StylizeSettings, passage, stylize
from scenivid.engine.segments.work import work_folder
from scenivid.engine.shots import Pieces
from scenivid.errors import InputError

FRAMES = sum(LENGTHS)


@pytest.fixture
def settings(tmp_path: Path) -> StylizeSettings:
    return random_settings(tmp_path)


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "piece_lengths", lambda rate: Pieces(10, 6))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "in.mp4")


def same(one: Path, other: Path) -> bool:
    if one.is_file():
        return one.read_bytes() == other.read_bytes()
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ""])
def test_in_parts_it_has_the_same_bytes(film: Path, settings: StylizeSettings, suffix: str) -> None:
    whole, parts = film.with_name(f"whole{suffix}"), film.with_name(f"parts{suffix}")
    stylize(film, whole, settings)
    told: list[int] = []
    report = stylize_in_parts(film, parts, settings, Alone(), lambda done, _: told.append(done))
    assert same(whole, parts)
    assert report.frames == FRAMES == max(told) and report.settings["parts"] == 3
    assert not work_folder(parts).exists()


def test_what_looks_alike_throughout_stays_one_part(film: Path, settings: StylizeSettings) -> None:
    settings = replace(settings, duration=passage.Fraction(9, 25))
    stylize(film, film.with_name("whole.mp4"), settings)
    report = stylize_in_parts(film, film.with_name("parts.mp4"), settings, Alone())
    assert same(film.with_name("whole.mp4"), film.with_name("parts.mp4")) and report.settings["parts"] == 1


def test_what_cant_be_joined_is_made_whole_and_says_so(film: Path, settings: StylizeSettings) -> None:
    stylize(film, film.with_name("whole.gif"), settings)
    report = stylize_in_parts(film, film.with_name("parts.gif"), settings, Alone())
    assert same(film.with_name("whole.gif"), film.with_name("parts.gif"))
    assert any("made by one worker" in note for note in report.notes)


@pytest.mark.parametrize("stops", [(4,), (25, 40), (48,)])
def test_in_parts_it_goes_on_where_it_was_stopped(
    film: Path, settings: StylizeSettings, stops: tuple[int, ...]
) -> None:
    whole, parts = film.with_name("whole.mp4"), film.with_name("parts.mp4")
    stylize(film, whole, settings)
    resuming = replace(settings, resume=True)
    for frame in stops:
        with pytest.raises(Stop):
            stylize_in_parts(film, parts, resuming, Alone(), stopping_at(frame))
    stylize_in_parts(film, parts, resuming, Alone())
    assert same(whole, parts)


def test_a_crew_goes_on_with_what_a_single_run_has_left(film: Path, settings: StylizeSettings) -> None:
    whole, parts = film.with_name("whole.mp4"), film.with_name("parts.mp4")
    stylize(film, whole, settings)
    resuming = replace(settings, resume=True)
    with pytest.raises(Stop):
        stylize(film, parts, resuming, stopping_at(22))
    told: list[int] = []
    report = stylize_in_parts(film, parts, resuming, Alone(), lambda done, _: told.append(done))
    assert same(whole, parts) and report.settings["parts"] == 2
    assert min(told) >= 19


@pytest.mark.parametrize(("first", "second"), [(30, 22), (12, 30)])
def test_a_single_run_goes_on_with_what_a_crew_has_left_and_a_crew_with_that(
    film: Path, settings: StylizeSettings, first: int, second: int
) -> None:
    whole, parts = film.with_name("whole.mp4"), film.with_name("parts.mp4")
    stylize(film, whole, settings)
    resuming = replace(settings, resume=True)
    with pytest.raises(Stop):
        stylize_in_parts(film, parts, resuming, Alone(), stopping_at(first))
    assert left_in_parts(parts)
    with pytest.raises(Stop):
        stylize(film, parts, resuming, stopping_at(second))
    stylize_in_parts(film, parts, resuming, Alone())
    assert same(whole, parts)
    with pytest.raises(Stop):
        stylize_in_parts(film, film.with_name("again.mp4"), resuming, Alone(), stopping_at(first))
    stylize(film, film.with_name("again.mp4"), resuming)
    assert same(whole, film.with_name("again.mp4"))


def test_an_error_is_the_same_error_and_leaves_nothing(film: Path, settings: StylizeSettings) -> None:
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 2 // 3])
    before = sorted(film.parent.iterdir())
    with pytest.raises(InputError, match=r"in\.mp4"), Crew(Processes(1)) as crew:
        stylize_in_parts(film, film.with_name("out.mp4"), settings, crew)
    assert sorted(film.parent.iterdir()) == before


@pytest.mark.slow
def test_two_processes_of_which_one_is_killed_give_the_same_bytes(
    film: Path, settings: StylizeSettings
) -> None:
    # The processes have pieces of the usual length, and so has the single run beside them.
    film = make_film(film.with_name("long.mp4"), times=8)
    whole, parts = film.with_name("whole.mp4"), film.with_name("parts.mp4")
    killed: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passage, "piece_lengths", lambda rate: Pieces(250, 62))
        stylize(film, whole, settings)
    with Crew(Processes(2)) as crew:

        def kill_once(done: int, expected: int | None) -> None:
            if not killed and done > 60:
                process = crew._workers[max(crew._busy)]
                killed.append(process.pid)  # type: ignore[attr-defined]
                os.kill(killed[0], signal.SIGKILL)

        report = stylize_in_parts(film, parts, settings, crew, kill_once)
    assert killed and report.settings["parts"] > 2
    assert same(whole, parts)


def stopping_at(frame: int) -> Callable[[int, int | None], None]:
    def tell(done: int, expected: int | None) -> None:
        if done == frame:
            raise Stop

    return tell
