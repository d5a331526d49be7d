"""What every reader owes its caller, proved alike for decord, PyAV and frame folders."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import make_clips
import pytest
import torch
from make_clips import FRAMES, Made, index_of, picture
from shelf import Shelf

from scenivid.errors import InputError
from scenivid.pixels import Clip
from scenivid.video.open import open_video
from scenivid.video.reading import decord_reader
from scenivid.video.reading.reader import VideoReader


def png_folder(path: Path, sixteen_bits: bool = False) -> Made:
    """The usual frames as numbered PNG files."""
    path.mkdir()
    for index in range(FRAMES):
        image = cv2.cvtColor(picture(index), cv2.COLOR_RGB2BGR)
        cv2.imwrite(
            str(path / f"frame{index + 1}.png"), image.astype("uint16") * 257 if sixteen_bits else image
        )
    return Made(path, tuple(Fraction(i, 24) for i in range(FRAMES)), *make_clips.SIZE)


@dataclass(frozen=True)
class Source:
    """One reader on one source."""

    made: Made
    decoder: str

    def open(self, start: Fraction | None = None, duration: Fraction | None = None) -> VideoReader:
        return open_video(self.made.path, self.decoder, start, duration)

    def read(self, batch: int, start: Fraction | None = None, duration: Fraction | None = None) -> Clip:
        with self.open(start, duration) as reader:
            clips = list(reader.clips(batch))
        assert all(len(clip) == batch for clip in clips[:-1])
        return Clip(
            torch.cat([clip.pixels for clip in clips]), tuple(time for clip in clips for time in clip.pts)
        )


SOURCES: dict[str, tuple[Callable[..., Made], str, dict[str, object], str]] = {
    f"{decoder}-{maker.__name__}{suffix}": (maker, suffix, {}, decoder)
    for decoder in ("decord", "pyav")  # decord starts a process each time: a few kinds are enough
    for maker, suffix in (
        (make_clips.plain, ".mp4"),
        (make_clips.variable_rate, ".mp4"),
        (make_clips.variable_rate, ".mkv"),
        (make_clips.b_frames, ".mp4"),
        (make_clips.b_frames, ".mkv"),
        (make_clips.start_offset, ".mp4"),
        (make_clips.start_offset, ".ts"),
        (make_clips.odd_size_420, ".webm"),
        (make_clips.lossless_rgb, ".mkv"),
    )
}
for name in ("variable_rate.mkv", "b_frames.mp4", "start_offset.mp4", "start_offset.ts", "odd_size_420.webm"):
    del SOURCES[f"decord-{name}"]
SOURCES |= {
    "pyav-ten_bit": (make_clips.ten_bit, ".mp4", {}, "pyav"),
    "pyav-hdr10": (make_clips.hdr10, ".mp4", {}, "pyav"),
    "pyav-gif": (make_clips.gif, ".gif", {}, "pyav"),
    "images-8": (png_folder, "", {}, "auto"),
    "images-16": (png_folder, "", {"sixteen_bits": True}, "auto"),
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, shelf: Shelf) -> Source:
    maker, suffix, arguments, decoder = SOURCES[request.param]
    return Source(shelf.take(maker, suffix, **arguments), decoder)


@pytest.fixture(params=["decord-plain.mp4", "pyav-plain.mp4", "images-8"])
def one_of_each(request: pytest.FixtureRequest, shelf: Shelf) -> Source:
    maker, suffix, arguments, decoder = SOURCES[request.param]
    return Source(shelf.take(maker, suffix, **arguments), decoder)


def eight_bits(pixels: torch.Tensor) -> torch.Tensor:
    return pixels if pixels.dtype == torch.uint8 else (pixels.int() // 257).to(torch.uint8)


def test_yields_every_frame_once_and_in_order_at_the_time_of_the_container(source: Source) -> None:
    clip = source.read(5)
    assert clip.pts == source.made.pts
    assert [index_of(frame.numpy()) for frame in eight_bits(clip.pixels)] == list(range(FRAMES))


def test_frames_have_the_size_and_depth_of_the_info(source: Source) -> None:
    with source.open() as reader:
        info = reader.info
        clip = next(iter(reader.clips(2)))
    assert clip.pixels.shape == (2, 3, info.height, info.width)
    assert clip.pixels.dtype == (torch.uint16 if info.bit_depth > 8 else torch.uint8)


def test_the_batch_size_is_invisible(source: Source) -> None:
    whole = source.read(100)
    for batch in (1, 5):
        assert torch.equal(source.read(batch).pixels, whole.pixels)


def test_start_and_duration_pick_frames_by_their_time(source: Source) -> None:
    whole, begin = source.read(100), source.made.pts
    offsets = [time - begin[0] for time in begin]
    start = offsets[7]
    part = source.read(2, start, offsets[10] - start)
    assert part.pts == begin[7:10]
    assert torch.equal(part.pixels, whole.pixels[7:10])
    assert source.read(2, start - Fraction(1, 10**6)).pts == begin[7:]
    assert source.read(2, None, Fraction(1, 10**6)).pts == begin[:1]


def test_says_how_many_frames_will_come(source: Source) -> None:
    with source.open() as reader:
        assert reader.frames == reader.info.frames == FRAMES
        assert reader.info.start == source.made.pts[0]
    with source.open(source.made.pts[9] - source.made.pts[0]) as reader:
        assert reader.frames == 3


def test_durations_cover_the_time_between_frames(source: Source) -> None:
    with source.open() as reader:
        clip = next(iter(reader.clips(100)))
    assert clip.durations is not None
    if source.made.path.name == "variable_rate.mkv":  # stores one for all
        return
    for one, other, length in zip(clip.pts, clip.pts[1:], clip.durations, strict=False):
        assert length is not None and abs(other - one - length) <= Fraction(1, 1000)


def test_closing_midway_joins_the_thread(one_of_each: Source) -> None:
    before = threading.active_count()
    with one_of_each.open() as reader:
        reading = reader.clips(2)
        next(reading)
        assert before < threading.active_count() <= before + 2  # decord's answers are waited for with a clock
    assert threading.active_count() == before
    reader.close()


def test_a_loop_left_early_joins_the_thread(one_of_each: Source) -> None:
    before = threading.active_count()
    reader = one_of_each.open()
    for _ in reader.clips(2):
        break
    reader.close()
    assert threading.active_count() == before


def test_a_second_reading_begins_anew(one_of_each: Source) -> None:
    with one_of_each.open() as reader:
        first = reader.clips(4)
        assert next(first).pts == one_of_each.made.pts[:4]
        assert next(reader.clips(4)).pts == one_of_each.made.pts[:4]
        assert list(first) == []  # the first reading has ended


def test_an_unread_reader_costs_no_thread(one_of_each: Source) -> None:
    before = threading.active_count()
    with one_of_each.open():
        assert threading.active_count() == before


def test_a_batch_below_one_is_refused(one_of_each: Source) -> None:
    with one_of_each.open() as reader, pytest.raises(ValueError, match="batch"):
        next(iter(reader.clips(0)))


@pytest.mark.parametrize(
    ("start", "duration", "message"),
    [
        (Fraction(60), None, "no frame begins"),
        (Fraction(-1), None, "negative"),
        (None, Fraction(0), "positive"),
    ],
)
def test_an_empty_or_senseless_part_is_refused(
    one_of_each: Source, start: Fraction | None, duration: Fraction | None, message: str
) -> None:
    with pytest.raises(Exception, match=message):
        one_of_each.open(start, duration)


def stalled(made: Callable[[], int]) -> int:
    """What `made` counts once it stops counting."""
    deadline, count = time.monotonic() + 20, -1
    while time.monotonic() < deadline:
        previous, count = count, made()
        if count and count == previous:
            return count
        threading.Event().wait(0.1)
    raise AssertionError("never stops")


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_reads_no_further_ahead_than_a_few_clips(
    decoder: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shelf.take(long_clip)
    frame_bytes = 3 * made.width * made.height
    monkeypatch.setattr(decord_reader, "GROUP_BYTES", 12 * frame_bytes)
    clips: list[int] = []
    original = Clip.__post_init__

    def counting(self: Clip) -> None:
        clips.append(len(self.pts))
        original(self)

    monkeypatch.setattr(Clip, "__post_init__", counting)
    with open_video(made.path, decoder) as reader:
        reading = iter(reader.clips(2))
        next(reading)
        ahead = stalled(lambda: sum(clips))
        assert ahead <= 2 * (1 + 2 + 1)  # taken, waiting, being handed over
        assert 2 + sum(len(clip) for clip in reading) == len(made.pts)


def long_clip(path: Path) -> Made:
    """Sixty frames in groups of six."""
    options = {"g": "6", "bf": "2", "x264-params": "scenecut=0"}
    return make_clips.write_clip(path, ticks=tuple(range(60)), options=options, matrix=1)


@pytest.mark.slow
def test_decord_reads_in_groups_without_a_seam(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shelf.take(long_clip)
    whole = Source(made, "decord").read(60)
    for frames in (20, 6, 4):  # several groups of pictures, one, and less than one
        monkeypatch.setattr(decord_reader, "GROUP_BYTES", frames * 3 * made.width * made.height)
        for batch in (1, 7):
            parts = Source(made, "decord").read(batch)
            assert parts.pts == whole.pts
            assert torch.equal(parts.pixels, whole.pixels)
        part = Source(made, "decord").read(5, Fraction(31, 25), Fraction(20, 25))
        assert torch.equal(part.pixels, whole.pixels[31:51])


def test_an_error_comes_after_the_frames_before_it(shelf: Shelf) -> None:
    made = shelf.take(make_clips.damaged)
    with open_video(made.path, "pyav") as reader:
        got: list[Fraction] = []
        with pytest.raises(InputError, match=r"frame 7 of 12 \(at 0.240 s\)"):
            for clip in reader.clips(2):
                got += clip.pts
    assert tuple(got) == made.pts[:6]
    assert not any(thread.name.startswith("scenivid") for thread in threading.enumerate())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("maker", [make_clips.b_frames, make_clips.open_groups], ids=["closed", "open"])
def test_pyav_reads_any_part_of_groups_of_b_frames(
    shelf: Shelf, maker: Callable[..., Made], suffix: str
) -> None:
    made = shelf.take(maker, suffix)
    whole = Source(made, "pyav").read(5)
    assert [index_of(frame.numpy()) for frame in whole.pixels] == list(range(FRAMES))
    for first in range(FRAMES):
        part = Source(made, "pyav").read(5, whole.pts[first] - whole.pts[0])
        assert part.pts == whole.pts[first:]
        assert torch.equal(part.pixels, whole.pixels[first:])


def test_decord_reads_open_groups_only_from_their_beginning(shelf: Shelf) -> None:
    made = shelf.take(make_clips.open_groups)
    assert [index_of(frame.numpy()) for frame in Source(made, "decord").read(5).pixels] == list(range(FRAMES))
    with pytest.raises(InputError, match="lean on each other"):
        Source(made, "decord").read(5, made.pts[6])
    with open_video(made.path, start=made.pts[6]) as reader:
        assert reader.decoder == "pyav (auto)"


def test_pyav_frames_are_freed_without_the_garbage_collector(shelf: Shelf) -> None:
    made = shelf.take(long_clip)
    gc.collect()
    gc.disable()
    try:
        with open_video(made.path, "pyav") as reader:
            for _ in reader.clips(4):
                alive = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
                assert alive < 24  # threads of the decoder hold some; sixty have passed by the end
    finally:
        gc.enable()
