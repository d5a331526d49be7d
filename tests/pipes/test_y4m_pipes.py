"""Y4M: what comes through `-` is what comes through files, in both directions."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from piped import PIPE, SETTINGS, Feed, raw, samples

from scenivid.engine import stylize
from scenivid.errors import ConfigError, InputError
from scenivid.pixels import Clip
from scenivid.video.info import ColorInfo, VideoInfo
from scenivid.video.open import open_video, probe
from scenivid.video.writing.writer import WriterSettings, open_writer


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"])
def test_identity_through_pipes_keeps_every_sample(
    tmp_path: Path, pixel_format: str, feed: Feed, taken: io.BytesIO
) -> None:
    source = raw(tmp_path / "in.y4m", pixel_format, frames=3).read_bytes()
    feed(source)
    stylize(PIPE, PIPE, SETTINGS)
    before, after = samples(source), samples(taken.getvalue())
    assert len(before) == len(after) == 3
    deep = "10" in pixel_format
    for one, other in zip(before, after, strict=True):
        a, b = (np.frombuffer(each, np.uint16 if deep else np.uint8).astype(int) for each in (one, other))
        if pixel_format == "yuv420p":  # not even turned into RGB on the way
            assert (a == b).all()
        assert np.abs(a - b).mean() < (3 if deep else 1)


def test_a_style_through_pipes_gives_the_bytes_that_it_gives_through_files(
    tmp_path: Path, y4m: Path, style: str, feed: Feed, taken: io.BytesIO
) -> None:
    settings = replace(SETTINGS, style=style, flow="dis")
    stylize(y4m, tmp_path / "out.y4m", settings)
    feed(y4m.read_bytes())
    report = stylize(PIPE, PIPE, settings)
    assert report.frames == 9
    assert taken.getvalue() == (tmp_path / "out.y4m").read_bytes()
    assert samples(taken.getvalue()) != samples(y4m.read_bytes())


def test_a_pipe_into_a_file_gives_the_bytes_of_a_file_into_a_file(
    tmp_path: Path, y4m: Path, feed: Feed
) -> None:
    stylize(y4m, tmp_path / "file.mp4", SETTINGS)
    feed(y4m.read_bytes())
    stylize(PIPE, tmp_path / "pipe.mp4", SETTINGS)
    assert (tmp_path / "pipe.mp4").read_bytes() == (tmp_path / "file.mp4").read_bytes()


@pytest.mark.parametrize(("start", "duration", "first", "count"), [
    (None, "0.1", 0, 3), ("0.08", None, 2, 7), ("0.08", "0.12", 2, 3), (None, "100", 0, 9),
])  # fmt: skip
def test_a_part_of_a_pipe_is_the_part_of_the_file(
    tmp_path: Path,
    y4m: Path,
    feed: Feed,
    start: str | None,
    duration: str | None,
    first: int,
    count: int,
) -> None:
    part = {
        "start": None if start is None else Fraction(start),
        "duration": None if duration is None else Fraction(duration),
    }
    feed(y4m.read_bytes())
    with open_video(PIPE, **part) as piped, open_video(y4m, **part) as filed:
        one, other = (list(reader.clips(100)) for reader in (piped, filed))
    assert one[0].pts == other[0].pts == tuple(Fraction(index, 25) for index in range(first, first + count))
    assert torch.equal(one[0].pixels, other[0].pixels)


def test_no_more_is_read_from_a_pipe_than_asked_for(tmp_path: Path, y4m: Path, feed: Feed) -> None:
    endless = y4m.read_bytes() + b"".join(b"FRAME\n" + frame for frame in samples(y4m.read_bytes())) * 400
    feed(endless)
    report = stylize(PIPE, tmp_path / "out.y4m", replace(SETTINGS, duration=Fraction(1, 5)))
    assert report.frames == 5


def test_a_part_that_a_pipe_never_reaches_is_an_error(tmp_path: Path, y4m: Path, feed: Feed) -> None:
    feed(y4m.read_bytes())
    with pytest.raises(InputError, match="no frame begins"):
        stylize(PIPE, tmp_path / "out.mp4", replace(SETTINGS, start=Fraction(60)))
    assert [path.name for path in tmp_path.iterdir()] == ["in.y4m"]


def test_a_frame_rate_is_for_pictures(y4m: Path, feed: Feed) -> None:
    feed(y4m.read_bytes())
    with pytest.raises(ConfigError, match="frame times of its own"):
        stylize(PIPE, Path("out.mp4"), replace(SETTINGS, fps=Fraction(30)))


@pytest.mark.parametrize(
    ("chroma", "depth", "size", "tag"),
    [
        ("420", 8, (63, 47), "420mpeg2"),
        ("422", 10, (64, 48), "422p10"),
        ("444", 12, (64, 48), "444p12"),
        ("gray", 8, (64, 48), "420mpeg2"),
        ("rgb", 8, (64, 48), "444"),
    ],
)
def test_ffmpeg_reads_what_the_header_says(
    tmp_path: Path, chroma: str, depth: int, size: tuple[int, int], tag: str
) -> None:
    width, height = size
    color = ColorInfo("bt709", True, "bt709", "bt709", True)
    info = VideoInfo(
        tmp_path / "none", width, height, 0, Fraction(4, 3), Fraction(30000, 1001), 2, None, Fraction(0),
        Fraction(1001, 30000), depth, chroma, "x", "x", 0, color, (), 0,
    )  # fmt: skip
    with open_writer(tmp_path / "out.y4m", info, WriterSettings()) as writer:
        most = torch.iinfo(writer.dtype).max
        pixels = torch.full((2, 3, height, width), most // 2, dtype=torch.int32).to(writer.dtype)
        writer.write(Clip(pixels, (Fraction(0), Fraction(1001, 30000))))
    head = (tmp_path / "out.y4m").read_bytes().split(b"\n")[0].decode().split()
    assert f"C{tag}" in head and "F30000:1001" in head and "A4:3" in head and "XCOLORRANGE=FULL" in head
    found = probe(tmp_path / "out.y4m")
    assert (found.width, found.height, found.bit_depth) == (width, height, depth)
    assert found.color.full_range and found.sample_aspect == Fraction(4, 3)
    with av.open(str(tmp_path / "out.y4m")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 2


def test_what_can_not_be_said_in_a_stream_is_a_note(clip: Path, taken: io.BytesIO) -> None:
    report = stylize(clip, PIPE, SETTINGS)  # its frames come at uneven times, but in order
    assert not [note for note in report.notes if "uneven" in note]
    assert report.output == PIPE
