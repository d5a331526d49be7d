"""Pieces end at cuts, and what comes after one depends on nothing before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from shots_clip import CUTS, LENGTHS, make_film
from small_runs import Stop, random_settings

from scenivid.engine import StylizeSettings, passage, stylize
from scenivid.engine.chain import Chain
from scenivid.engine.run import made_of
from scenivid.engine.segments.work import open_work
from scenivid.engine.shots import Pieces, Seen, Shots, States
from scenivid.engine.stages import Stopwatch
from scenivid.video.open import open_video
from scenivid.video.reading.reader import ThreadedReader

PIECES = Pieces(10, 6)
BEGINS = [9, 19, 27, 37, 47]
"""Frames with which the film's pieces begin, after the first: two at cuts, …"""
AFRESH = [9, 27]
"""… where nothing is remembered. The cuts at 14, 30 and 38 come too early."""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "in.mp4")


@pytest.fixture
def settings(tmp_path: Path) -> StylizeSettings:
    return random_settings(tmp_path)


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "piece_lengths", lambda rate: PIECES)


def _seen(cuts: Sequence[int], frames: int, pieces: Pieces) -> Iterator[tuple[int, Seen]]:
    shots = Shots(pieces)
    for number in range(frames):
        yield number, shots._seen(number in cuts, {})


def test_a_piece_ends_when_it_is_full_or_at_a_cut_once_it_is_long_enough() -> None:
    seen = list(_seen(CUTS, sum(LENGTHS), PIECES))
    assert [number for number, one in seen if one.begins] == BEGINS
    assert [number for number, one in seen if one.before is not None] == AFRESH
    assert [number for number, one in seen if one.full] == [18, 36, 46]
    assert not any(one.begins for _, one in _seen([3, 7], 40, Pieces(50)))


def _made(
    settings: StylizeSettings, clips: list[Any], first: int, states: States, tensors: bool
) -> list[Any]:
    device, size = torch.device("cpu"), (64, 96)
    chain = Chain.build(settings, device, None, size, torch.uint8, [], tensors=tensors, pieces=PIECES)
    chain.restore(states)
    with chain.running(chain.parts(clips, first), Stopwatch()) as parts:
        return list(parts)


@pytest.mark.parametrize("tensors", [False, True])
def test_after_a_piece_that_ends_at_a_cut_a_new_chain_makes_the_same(
    film: Path, settings: StylizeSettings, tensors: bool
) -> None:
    settings = replace(settings, batch=4)
    with open_video(film) as reader:
        clips = list(reader.clips(4 if tensors else 1))
    whole = _made(settings, clips, 0, (), tensors)
    begun = {part.number: part.edges for part in whole if part.edges.begins}
    assert list(begun) == BEGINS
    assert [number for number, edges in begun.items() if edges.before] == AFRESH
    assert [part.number + len(part.source) for part in whole if part.edges.ends] == [19, 37, 47]
    for number in AFRESH:
        rest = [clips[index // len(clips[0])] for index in range(number, sum(LENGTHS), len(clips[0]))]
        gone = number % len(clips[0])
        rest[0] = rest[0].part(gone, len(rest[0]))
        again = _made(settings, rest, number, begun[number].before, tensors)
        for one, other in zip([part for part in whole if part.number >= number], again, strict=True):
            assert one.number == other.number
            assert torch.equal(one.source.pixels, other.source.pixels)


@pytest.mark.parametrize(("style", "found"), [("", AFRESH), ("none", [10, 20, 30, 40])])
def test_only_looking_finds_where_pieces_can_begin_anew(
    film: Path, settings: StylizeSettings, style: str, found: list[int]
) -> None:
    output, settings = film.with_name("out.mp4"), replace(settings, style=style or settings.style)
    with open_work(output, made_of(film, settings), resume=False) as work:
        work.whole = False
        with passage.Passage(film, output, settings, work) as looking:
            assert [shot.at.frames for shot in looking.look()] == found


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ""])
def test_a_run_that_is_resumed_begins_to_read_where_it_stopped(
    film: Path, settings: StylizeSettings, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = film.with_name(f"whole{suffix}"), film.with_name(f"parts{suffix}")
    stylize(film, whole, settings)
    resuming = replace(settings, resume=True)
    for frame in (12, 33):
        with pytest.raises(Stop):
            stylize(film, parts, resuming, _stopping_at(frame))
    read: list[int] = []
    clips = ThreadedReader.stored_clips if suffix else ThreadedReader.clips

    def counted(self: ThreadedReader, batch: int) -> Iterator[Any]:
        for clip in clips(self, batch):
            read.append(len(clip))
            yield clip

    monkeypatch.setattr(ThreadedReader, clips.__name__, counted)
    stylize(film, parts, resuming)
    assert sum(read) == sum(LENGTHS) - 27 + 1  # the frame before shows that seeking gives what decoding does
    names = [path.name for path in whole.iterdir()] if not suffix else ["."]
    assert all((whole / name).read_bytes() == (parts / name).read_bytes() for name in names)


def test_where_seeking_gives_another_frame_everything_is_decoded(
    film: Path, settings: StylizeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = film.with_name("whole.mp4"), film.with_name("parts.mp4")
    stylize(film, whole, settings)
    resuming = replace(settings, resume=True)
    with pytest.raises(Stop):
        stylize(film, parts, resuming, _stopping_at(33))
    opened: list[object] = []

    def wrong(*args: Any) -> Any:
        opened.append(args[-1])
        return open_video(*args[:-1], args[-1] - Fraction(1, 5) if args[-1] else None)

    monkeypatch.setattr(passage, "open_video", wrong)
    stylize(film, parts, resuming)
    assert len(opened) == 2 and opened[0] is not None and opened[1] is None
    assert whole.read_bytes() == parts.read_bytes()


@pytest.mark.parametrize("name", ["out.gif", "out.apng"])
def test_what_cant_be_resumed_says_so(film: Path, settings: StylizeSettings, name: str) -> None:
    settings = replace(settings, resume=True, duration=Fraction(1, 5))
    report = stylize(film, film.with_name(name), settings)
    assert any("is made in one go: a run that was stopped begins anew" in note for note in report.notes)


def _stopping_at(frame: int) -> Callable[[int, int | None], None]:
    def tell(done: int, expected: int | None) -> None:
        if done == frame:
            raise Stop

    return tell
