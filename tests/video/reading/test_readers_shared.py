"""Every reader on real files: counts, times, and agreement."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from scenivid.errors import InputError
from scenivid.video.open import open_video, probe

FRAMES = {
    "bt601_full_range.mp4": 60,
    "bt601_limited_range.mp4": 60,
    "bt709_full_range.mp4": 30,
    "flower.mp4": 150,
    "friday.mp4": 185,
    "h264_10bits.mp4": 30,
    "nasa_13013.mp4": 390,
    "nasa_13013_rotated.mp4": 17,
    "stream-of-water.mp4": 90,
    "test_non_zero_start.mp4": 12,
    "testsrc2_hdr.mp4": 60,
    "testsrc2_odd_height_and_width_444.mp4": 25,
    "testsrc2_odd_height_and_width_vp9.mp4": 25,
    "video_270.mov": 3,
    "video_90.mov": 3,
}
DECORD = [
    name
    for name in FRAMES
    if "bt601" not in name
    and "bt709" not in name
    and name not in {"h264_10bits.mp4", "testsrc2_hdr.mp4", "test_non_zero_start.mp4"}
    and "vp9" not in name  # whose chroma decord takes to lie half a pixel further to the right
]
"""Of which decord makes the same pictures."""


def packet_times(path: Path, stream_index: int) -> list[Fraction]:
    """Times of all shown packets, seconds."""
    with av.open(str(path)) as container:
        stream = container.streams[stream_index]
        return sorted(p.pts * p.time_base for p in container.demux(stream) if p.size and not p.is_discard)


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_comes_at_the_time_of_its_packet(shared: Path, name: str) -> None:
    path = shared / "videos" / name
    with open_video(path) as reader:
        assert reader.frames == FRAMES[name]
        assert reader.decoder == "pyav (auto)"
        times = [time for clip in reader.clips(16) for time in clip.pts]
        assert times == packet_times(path, reader.info.stream_index)
    assert len(times) == FRAMES[name]


@pytest.mark.parametrize("name", DECORD)
def test_decord_and_pyav_agree(shared: Path, name: str) -> None:
    path, part = shared / "videos" / name, Fraction(1, 4)
    differences = []
    with open_video(path, "decord", duration=part) as one, open_video(path, "pyav", duration=part) as other:
        assert one.info == other.info
        for ours, theirs in zip(one.clips(4), other.clips(4), strict=True):
            assert (ours.pts, ours.durations) == (theirs.pts, theirs.durations)
            differences.append((ours.pixels.short() - theirs.pixels.short()).float())
    difference = torch.cat(differences)
    assert difference.abs().mean() <= 1
    assert difference.mean().abs() <= 0.5  # neither is darker


def test_a_damaged_file_gives_one_clear_line(shared: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = shared / "videos" / "corrupted.mp4"
    with (
        pytest.raises(
            InputError, match=r"damaged: frame 31 of 50 \(at 3\.000 s\) can't be decoded"
        ) as caught,
        open_video(path) as reader,
    ):
        list(reader.clips(8))
    assert "\n" not in str(caught.value)
    with open_video(path, duration=Fraction(3)) as reader:
        assert sum(len(clip) for clip in reader.clips(8)) == 30
    assert capfd.readouterr() == ("", "")


def test_the_best_video_stream_is_read_not_the_first(shared: Path) -> None:
    info = probe(shared / "videos" / "nasa_13013.mp4")
    assert (info.stream_index, info.width, info.height) == (3, 480, 270)
    assert len(info.audio) == 2
    assert info.subtitles == 2


def test_a_start_offset_is_kept(shared: Path) -> None:
    with open_video(shared / "videos" / "test_non_zero_start.mp4") as reader:
        assert reader.info.start == Fraction(127995, 15360)
        assert next(reader.clips(1)).pts == (Fraction(127995, 15360),)
        assert reader.info.sample_aspect == Fraction(224, 225)


@pytest.mark.parametrize(
    ("name", "degrees", "size"),
    [
        ("video_90.mov", 90, (320, 568)),
        ("video_270.mov", 270, (320, 568)),
        ("nasa_13013_rotated.mp4", 270, (270, 480)),
    ],
)
def test_turned_files_are_upright(shared: Path, name: str, degrees: int, size: tuple[int, int]) -> None:
    info = probe(shared / "videos" / name)
    assert (info.rotation, (info.width, info.height)) == (degrees, size)


def test_ten_bits_and_hdr_are_sixteen_bit_rgb(shared: Path) -> None:
    for name, hdr in (("h264_10bits.mp4", False), ("testsrc2_hdr.mp4", True)):
        with open_video(shared / "videos" / name) as reader:
            assert reader.info.bit_depth == 10
            assert reader.info.color.hdr is hdr
            pixels = next(reader.clips(2)).pixels
        assert pixels.dtype == torch.uint16
        assert int(pixels.int().max()) > 60000
