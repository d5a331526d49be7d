"""What a written picture says about itself: colour, range, and the shape of its pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import make_clips
import pytest
from identity import copy, difference, packets, read
from make_clips import Made
from PIL import Image

from scenivid.video.info import ColorInfo
from scenivid.video.open import probe
from scenivid.video.writing.container.matroska import set_pixel_shape
from scenivid.video.writing.images.tags import ImageTags, read_tags

_MAKE = 0x010F
BT709 = ColorInfo("bt709", False, "bt709", "bt709", True)


@pytest.mark.parametrize(
    "maker", [make_clips.plain, make_clips.bt601, make_clips.full_range, make_clips.ten_bit]
)
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("h264", ".mp4"), ("h264", ".mkv"), ("hevc", ".mp4"), ("av1", ".mp4"), ("vp9", ".webm")],
)
def test_the_source_tags_are_kept(
    tmp_path: Path, codec: str, suffix: str, maker: Callable[[Path], Made]
) -> None:
    made = maker(tmp_path / "in.mp4")
    copy(made.path, tmp_path / f"out{suffix}", codec=codec)
    assert probe(tmp_path / f"out{suffix}").color == probe(made.path).color


def test_how_a_tiff_stores_its_pixels_is_no_camera_data(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 6), "teal")
    picture.save(tmp_path / "plain.tif", compression="tiff_lzw")
    assert read_tags(tmp_path / "plain.tif") == ImageTags()
    exif = Image.Exif()
    exif[_MAKE] = "a maker"
    picture.save(tmp_path / "camera.tif", exif=exif)
    kept = Image.Exif()
    kept.load(read_tags(tmp_path / "camera.tif").exif)
    assert dict(kept) == {_MAKE: "a maker"}


def test_prores_is_limited_and_tagged(tmp_path: Path) -> None:
    made = make_clips.bt601(tmp_path / "in.mp4")
    copy(made.path, tmp_path / "out.mov", codec="prores")
    assert probe(tmp_path / "out.mov").color == probe(made.path).color


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_a_source_without_tags_becomes_tagged_bt709(tmp_path: Path, codec: str) -> None:
    made = make_clips.untagged(tmp_path / "in.mp4")
    assert not probe(made.path).color.tagged
    copy(made.path, tmp_path / "out.mp4", codec=codec, crf=10)
    assert probe(tmp_path / "out.mp4").color == BT709
    assert difference(read(tmp_path / "out.mp4"), read(made.path)) <= 2  # hard edges in 4:2:0


@pytest.mark.parametrize("maker", [make_clips.hdr10, make_clips.hlg])
def test_hdr_becomes_tagged_bt709_with_a_note(tmp_path: Path, maker: Callable[[Path], Made]) -> None:
    made = maker(tmp_path / "in.mp4")
    notes = copy(made.path, tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert info.color == BT709 and info.bit_depth == 8
    assert any("tone-mapped" in note for note in notes)


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(224, 225)])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("h264", ".mp4"),
        ("av1", ".mp4"),
        ("prores", ".mov"),
        ("h264", ".mkv"),
        ("hevc", ".mkv"),
        ("av1", ".mkv"),
        ("ffv1", ".mkv"),
        ("vp9", ".webm"),
    ],
)
def test_the_shape_of_pixels_is_kept(tmp_path: Path, codec: str, suffix: str, aspect: Fraction) -> None:
    made = make_clips.write_clip(tmp_path / "in.mp4", aspect=aspect, matrix=1)
    notes = copy(made.path, tmp_path / f"out{suffix}", codec=codec)
    assert probe(tmp_path / f"out{suffix}").sample_aspect == aspect
    assert not any("shape" in note for note in notes)


@pytest.mark.parametrize("title", [None, "Main"])
def test_the_name_of_a_reshaped_track_is_as_in_the_source(tmp_path: Path, title: str | None) -> None:
    made = make_clips.anamorphic(tmp_path / "plain.mkv")
    named = tmp_path / "named.mkv"
    with av.open(str(made.path)) as source, av.open(str(named), "w") as container:
        track = container.add_stream_from_template(source.streams.video[0])
        if title:
            track.metadata["title"] = title
        for packet in source.demux():
            if packet.size:
                packet.stream = track
                container.mux(packet)
    copy(named, tmp_path / "out.webm")
    with av.open(str(tmp_path / "out.webm")) as output:
        assert output.streams.video[0].metadata.get("title") == title
        assert output.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_where_the_shape_of_pixels_is_lost_a_note_says_so(tmp_path: Path) -> None:
    made = make_clips.anamorphic(tmp_path / "in.mp4")
    assert any("4:3" in note for note in copy(made.path, tmp_path / "out.gif"))


def test_marking_the_shape_changes_nothing_else_in_the_file(tmp_path: Path) -> None:
    made = make_clips.many_tracks(tmp_path / "in.mkv")
    path, before = tmp_path / "out.mkv", tmp_path / "before.mkv"
    copy(made.path, path, codec="ffv1")
    before.write_bytes(path.read_bytes())
    assert set_pixel_shape(path, Fraction(16, 11))
    assert path.stat().st_size == before.stat().st_size
    assert read(path).pixels.equal(read(before).pixels)
    assert packets(path, "audio") == packets(before, "audio")
    assert replace(probe(path), path=before, sample_aspect=Fraction(1)) == probe(before)
    assert set_pixel_shape(path, Fraction(4, 3)) and probe(path).sample_aspect == Fraction(4, 3)


def test_a_file_that_is_not_matroska_is_left_alone(tmp_path: Path) -> None:
    path = make_clips.plain(tmp_path / "in.mp4").path
    before = path.read_bytes()
    assert not set_pixel_shape(path, Fraction(4, 3))
    assert path.read_bytes() == before
