"""Frame times come out as they went in."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import make_clips
import pytest
from identity import copy, read
from make_clips import Made, Sound

from scenivid.errors import OutputError
from scenivid.video.writing.file_writer import FileWriter
from scenivid.video.writing.picture.ticks import Ticks

MAKERS: list[Callable[[Path], Made]] = [
    make_clips.plain,
    make_clips.variable_rate,
    make_clips.b_frames,
    make_clips.open_groups,
    make_clips.start_offset,
    make_clips.edit_list,
    make_clips.one_frame,
]


def _length(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.duration * stream.time_base


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_mp4_keeps_pts_to_the_tick(tmp_path: Path, maker: Callable[[Path], Made]) -> None:
    made = maker(tmp_path / "in.mp4")
    notes = copy(made.path, tmp_path / "out.mp4")
    assert read(tmp_path / "out.mp4").pts == made.pts
    assert notes == []


@pytest.mark.parametrize(("codec", "suffix"), [("hevc", ".mp4"), ("av1", ".mp4"), ("prores", ".mov")])
@pytest.mark.parametrize("maker", [make_clips.variable_rate, make_clips.start_offset], ids=["vfr", "offset"])
def test_other_codecs_keep_pts_to_the_tick(
    tmp_path: Path, codec: str, suffix: str, maker: Callable[[Path], Made]
) -> None:
    made = maker(tmp_path / "in.mp4")
    output = tmp_path / f"out{suffix}"
    copy(made.path, output, codec=codec)
    assert read(output).pts == made.pts


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
def test_matroska_keeps_times_that_are_whole_milliseconds(tmp_path: Path, codec: str) -> None:
    made = make_clips.variable_rate(tmp_path / "in.mp4")
    notes = copy(made.path, tmp_path / "out.mkv", codec=codec)
    assert read(tmp_path / "out.mkv").pts == made.pts
    assert notes == []


def test_matroska_rounds_other_times_and_says_so(tmp_path: Path) -> None:
    ticks = tuple(range(0, 10010, 1001))
    made = make_clips.write_clip(tmp_path / "in.mp4", ticks=ticks, time_base=Fraction(1, 30000))
    notes = copy(made.path, tmp_path / "out.mkv")
    found = read(tmp_path / "out.mkv").pts
    assert all(abs(a - b) <= Fraction(1, 2000) for a, b in zip(found, made.pts, strict=True))
    assert any("steps of 1 ms" in note for note in notes)


@pytest.mark.parametrize("maker", [make_clips.plain, make_clips.variable_rate], ids=["cfr", "vfr"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_track_is_as_long_as_the_source(tmp_path: Path, codec: str, maker: Callable[[Path], Made]) -> None:
    made = maker(tmp_path / "in.mp4")
    copy(made.path, tmp_path / "out.mp4", codec=codec)
    source = read(made.path)
    assert source.durations is not None and source.durations[-1] is not None
    assert _length(tmp_path / "out.mp4") == source.pts[-1] + source.durations[-1] - source.pts[0]


def test_gif_comes_and_goes_with_its_times(tmp_path: Path) -> None:
    made = make_clips.gif(tmp_path / "in.gif")
    assert copy(made.path, tmp_path / "out.mp4") == []
    assert copy(tmp_path / "out.mp4", tmp_path / "back.gif") == []
    assert read(tmp_path / "out.mp4").pts == made.pts
    assert read(tmp_path / "back.gif").pts == made.pts


def test_gif_begins_at_zero_and_says_so(tmp_path: Path) -> None:
    made = make_clips.start_offset(tmp_path / "in.mp4")
    notes = copy(made.path, tmp_path / "out.gif")
    assert read(tmp_path / "out.gif").pts == tuple(pts - made.pts[0] for pts in made.pts)
    assert any("begins at 0 s" in note for note in notes)


def test_batch_size_does_not_show(tmp_path: Path) -> None:
    made = make_clips.variable_rate(tmp_path / "in.mp4")
    for batch in (1, 12):
        copy(made.path, tmp_path / f"{batch}.mkv", codec="ffv1", batch=batch)
    one, all_at_once = read(tmp_path / "1.mkv"), read(tmp_path / "12.mkv")
    assert one.pts == all_at_once.pts and one.pixels.equal(all_at_once.pixels)


def test_a_trimmed_copy_begins_at_the_source_start(tmp_path: Path) -> None:
    made = make_clips.variable_rate(tmp_path / "in.mp4")
    copy(made.path, tmp_path / "out.mp4", start=Fraction(1, 4), duration=Fraction(1, 4))
    inside = [pts for pts in made.pts if Fraction(1, 4) <= pts < Fraction(1, 2)]
    assert read(tmp_path / "out.mp4").pts == tuple(pts - inside[0] for pts in inside)


def test_each_frame_lasts_until_the_next_and_the_last_as_told() -> None:
    ticks = Ticks(Fraction(1, 100), None, None, Fraction(25))
    assert [
        ticks.add(Fraction(n, 100), Fraction(length, 100)) for n, length in ((5, 9), (7, 9), (17, 3))
    ] == [5, 7, 17]
    assert [ticks.take_length(tick) for tick in (5, 7, 17)] == [2, 10, 3]
    assert ticks.total == 15 and ticks.exact


def test_the_last_frame_of_unknown_length_lasts_as_long_as_the_one_before() -> None:
    ticks = Ticks(Fraction(1, 100), None, None, Fraction(25))
    for n in (0, 7):
        ticks.add(Fraction(n, 100), None)
    assert (ticks.take_length(0), ticks.take_length(7), ticks.total) == (7, 7, 14)


def test_a_single_frame_of_unknown_length_lasts_one_period() -> None:
    ticks = Ticks(Fraction(1, 100), None, None, Fraction(25))
    assert ticks.take_length(ticks.add(Fraction(0), None)) == 4


def test_times_closer_than_a_tick_stay_apart() -> None:
    ticks = Ticks(Fraction(1, 100), None, None, Fraction(1000))
    assert [ticks.add(Fraction(n, 1000), None) for n in range(3)] == [0, 1, 2]
    assert not ticks.exact


def _wrapping(path: Path) -> Made:
    """A transport stream whose clock passes its 33 bits in the middle: what comes before is below zero."""
    mux = {"output_ts_offset": "95442.5"}
    return make_clips.write_clip(path, ticks=tuple(range(50)), sounds=(Sound(codec="ac3"),), mux=mux)


def _start(path: Path, kind: str) -> Fraction:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return min(p.pts * p.time_base for p in container.demux(stream) if p.size)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_times_below_zero_are_moved_on_with_the_sound(tmp_path: Path, suffix: str) -> None:
    made = _wrapping(tmp_path / "in.ts")
    source, out = read(made.path), tmp_path / f"out{suffix}"
    assert len(source) == 50 and source.pts[0] < 0 < source.pts[-1]
    notes = copy(made.path, out)
    assert any("all times are moved on by" in note for note in notes)
    moved = read(out).pts
    assert len(moved) == 50 and moved[0] >= 0
    gaps = [abs((a - moved[0]) - (b - source.pts[0])) for a, b in zip(moved, source.pts, strict=True)]
    assert max(gaps) <= Fraction(1, 1000)
    before = _start(made.path, "audio") - source.pts[0]
    assert abs(_start(out, "audio") - moved[0] - before) <= Fraction(1, 1000)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_part_of_a_source_that_begins_below_zero_keeps_all_its_frames(tmp_path: Path, suffix: str) -> None:
    made = _wrapping(tmp_path / "in.ts")
    copy(made.path, tmp_path / f"out{suffix}", start=Fraction(1, 5))
    assert len(read(tmp_path / f"out{suffix}")) == 45


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_file_that_shows_other_frames_than_were_encoded_is_no_success(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _wrapping(tmp_path / "in.ts")
    monkeypatch.setattr(FileWriter, "_origin", lambda self, tracks: None)
    with pytest.raises(OutputError, match=r"would show \d+ of 50 frames"):
        copy(made.path, tmp_path / f"out{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == ["in.ts"]
