"""Frames, order and spacing are what ffmpeg shows, in every kind of file whose times are hard to tell."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
import torch
from odd_clips import TIMES, joined, shown_by_ffmpeg, xvid_packed

from scenivid.video.open import open_video
from scenivid.video.reading.times.clock import clock_of, continuous
from scenivid.video.reading.times.presentation import Gap, Stamp, gaps, times_of_frames


def read(path: Path, start: Fraction | None = None) -> tuple[torch.Tensor, list[Fraction]]:
    with open_video(path, start=start) as reader:
        clips = list(reader.clips(7))
        assert reader.frames == sum(map(len, clips))
    return torch.cat([clip.pixels for clip in clips]), [time for clip in clips for time in clip.pts]


@pytest.mark.parametrize("name", TIMES)
def test_frames_and_spacing_are_those_that_ffmpeg_shows(tmp_path: Path, name: str) -> None:
    path = TIMES[name](tmp_path / name)
    pixels, times = read(path)
    expected = shown_by_ffmpeg(path)
    assert len(times) == len(expected)
    if name == "no_offsets.flv":  # which ffmpeg itself shows unevenly
        expected = [index / 25 for index in range(len(expected))]
    worst = max(abs(float(time - times[0]) - known) for time, known in zip(times, expected, strict=True))
    assert worst <= 0.0011  # Matroska counts milliseconds
    part, later = read(path, times[4] - times[0])
    assert later == times[4:]
    if not name.startswith(("interlaced", "telecined")):  # where reading begins, a neighbour is missing
        assert torch.equal(part, pixels[4:])


@pytest.mark.parametrize("frames", range(6, 20))
def test_no_length_of_packed_b_frames_loses_its_last_frame(tmp_path: Path, frames: int) -> None:
    path = xvid_packed(tmp_path / "x.avi", frames)
    _, times = read(path)
    assert len(times) == len(shown_by_ffmpeg(path))
    assert {after - before for before, after in pairwise(times)} == {Fraction(1, 25)}


def test_sound_follows_the_clock_of_the_picture_over_a_join(tmp_path: Path) -> None:
    path = joined(tmp_path / "joined.ts")
    with av.open(str(path)) as container:
        clock = clock_of(container, 0)
    assert len(clock.breaks) == 1
    with av.open(str(path)) as container:
        both = container.streams.get(audio=0, video=0)
        times: dict[str, list[Fraction]] = {"audio": [], "video": []}
        for packet in continuous(container.demux(both), clock):
            if packet.size:
                times[packet.stream.type].append(packet.dts * packet.time_base)
    for kind in times.values():
        steps = [after - before for before, after in pairwise(kind)]
        assert min(steps) > -Fraction(1, 20)
        assert max(steps) < Fraction(1, 5)
    assert abs(times["audio"][-1] - times["video"][-1]) < Fraction(1, 5)


def test_an_unbroken_stream_has_one_clock(tmp_path: Path) -> None:
    path = joined(tmp_path / "joined.ts")
    with av.open(str(tmp_path / "part.ts")) as container:
        assert clock_of(container, 0).breaks == ()
    assert path.exists()


def stamps(pts: list[int | None], dts: list[int | None]) -> list[Stamp]:
    return [Stamp(one, other) for one, other in zip(pts, dts, strict=True)]


@pytest.mark.parametrize(
    ("pts", "dts", "expected"),
    [
        ([0, 40, 80], [None] * 3, [0, 40, 80]),
        ([0, 120, 40, 80], [0, 40, 80, 120], [0, 40, 80, 120]),  # VC-1 in ASF
        ([0, 120, 40, 80], [0, 40, None, None], [0, 40, 80, 120]),
        ([0, 120, 40, 80], [None, 40, 40, 80], [0, 40, 80, 120]),
        ([None, None, 80, 120], [None] * 4, [0, 40, 80, 120]),  # missing at the start
        ([None] * 3, [None] * 3, [0, 40, 80]),
        ([0, 0, 0, 120], [None] * 4, [0, 40, 80, 120]),
        ([0, 40, 9000, 120, 160], [None] * 5, [0, 40, 80, 120, 160]),  # one wild time
        ([5, 5, 5], [7, 7, 7], [5, 45, 85]),
    ],
)
def test_frames_are_spread_evenly_where_their_times_make_no_sense(
    pts: list[int | None], dts: list[int | None], expected: list[int]
) -> None:
    assert times_of_frames(stamps(pts, dts), 40) == expected


@pytest.mark.parametrize("seed", range(50))
def test_times_always_grow(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    values = torch.randint(-3, 30, (2, 20), generator=random).tolist()
    pts, dts = ([None if value < 0 else value for value in row] for row in values)
    times = times_of_frames(stamps(pts, dts), 3)
    assert len(times) == 20
    assert all(before < after for before, after in pairwise(times))


def test_gaps_are_seen_in_a_constant_rate_only() -> None:
    tick = Fraction(1, 1000)
    even = [0, 33, 67, 100, 133, 167, 200]
    assert gaps(even, tick) == ()
    assert gaps([*even[:3], *even[5:], 233, 267, 300], tick) == (Gap(3, 2),)
    assert gaps([0, 40, 90, 100, 250, 283, 317, 500], tick) == ()
