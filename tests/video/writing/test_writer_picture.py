"""What is decoded from the result is what was written: pixels, depth, size, shape, colour tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import make_clips
import numpy as np
import pytest
import torch
from identity import copy, difference, read, smooth
from make_clips import Made

from scenivid.errors import ConfigError
from scenivid.pixels import Clip
from scenivid.video.info import ColorInfo, VideoInfo
from scenivid.video.open import probe
from scenivid.video.writing.encoding.encoders import encoding_for
from scenivid.video.writing.encoding.frames import FrameMaker, tags_for
from scenivid.video.writing.writer import WriterSettings, open_writer

BT709 = ColorInfo("bt709", False, "bt709", "bt709", True)


def _info(tmp_path: Path, **changes: object) -> VideoInfo:
    info = VideoInfo(
        path=tmp_path / "nothing",
        width=96,
        height=72,
        rotation=0,
        sample_aspect=Fraction(1),
        rate_hz=Fraction(25),
        frames=6,
        duration=None,
        start=Fraction(0),
        time_base=Fraction(1, 25),
        bit_depth=8,
        chroma="420",
        codec="h264",
        container="frames",
        stream_index=0,
        color=BT709,
        audio=(),
        subtitles=0,
    )
    return replace(info, **changes)  # type: ignore[arg-type]


def _round_trip(tmp_path: Path, pixels: torch.Tensor, info: VideoInfo, name: str, **settings: object) -> Clip:
    clip = Clip(pixels, tuple(Fraction(n, 25) for n in range(len(pixels))))
    output = tmp_path / name
    with open_writer(output, info, WriterSettings(overwrite=True, **settings)) as writer:  # type: ignore[arg-type]
        assert writer.dtype is pixels.dtype
        writer.write(clip)
    found = read(output)
    assert found.pts == clip.pts
    return found


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_ffv1_is_lossless(tmp_path: Path, dtype: torch.dtype) -> None:
    levels = 256 if dtype is torch.uint8 else 65536
    pixels = torch.randint(0, levels, (3, 3, 37, 53), dtype=torch.int32).to(dtype)
    info = _info(tmp_path, width=53, height=37, bit_depth=8 if levels == 256 else 10)
    assert _round_trip(tmp_path, pixels, info, "a.mkv", codec="ffv1").pixels.equal(pixels)


@pytest.mark.parametrize("codec", ["ffv1", "h264"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (16, 1)])
def test_a_picture_of_one_row_or_column_is_written(
    tmp_path: Path, codec: str, width: int, height: int
) -> None:
    pixels = torch.full((2, 3, height, width), 128, dtype=torch.uint8)
    info = _info(tmp_path, width=width, height=height)
    found = _round_trip(tmp_path, pixels, info, "a.mkv", codec=codec)
    assert difference(found, Clip(pixels, found.pts)) <= 1


@pytest.mark.parametrize(
    "maker", [make_clips.plain, make_clips.bt601, make_clips.full_range, make_clips.ten_bit]
)
def test_identity_through_ffv1_is_bit_exact(tmp_path: Path, maker: Callable[[Path], Made]) -> None:
    made = maker(tmp_path / "in.mp4")
    copy(made.path, tmp_path / "out.mkv", codec="ffv1")
    assert read(tmp_path / "out.mkv").pixels.equal(read(made.path).pixels)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(
    "color", [BT709, replace(BT709, full_range=True), replace(BT709, matrix="smpte170m")]
)
def test_identity_at_crf_12_is_within_one_and_a_half_levels(
    tmp_path: Path, codec: str, color: ColorInfo
) -> None:
    pixels = smooth()
    found = _round_trip(tmp_path, pixels, _info(tmp_path, color=color), "a.mp4", codec=codec, crf=12)
    assert difference(found, Clip(pixels, found.pts)) <= 1.5


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "prores"])
def test_more_than_eight_bits_stay_more_than_eight_bits(tmp_path: Path, codec: str) -> None:
    pixels = smooth(2, dtype=torch.uint16)
    name = "a.mov" if codec == "prores" else "a.mkv"
    crf = None if codec == "prores" else 4
    wanted = "yuv420p10" if codec == "h264" else None  # which many players can't show
    info = _info(tmp_path, bit_depth=10)
    found = _round_trip(tmp_path, pixels, info, name, codec=codec, crf=crf, pixel_format=wanted)
    assert found.pixels.dtype is torch.uint16
    assert probe(tmp_path / name).bit_depth == 10
    assert difference(found, Clip(pixels, found.pts)) <= 1


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_grey_levels_convert_exactly(tmp_path: Path, full_range: bool, deep: bool) -> None:
    """swscale counts 16-bit white as 65280, and rounds down unless told otherwise."""
    info = _info(
        tmp_path,
        bit_depth=10 if deep else 8,
        color=replace(BT709, full_range=full_range),
        width=256,
        height=2,
    )
    encoding = encoding_for("h264", info, None, "cpu", pixel_format="yuv420p10" if deep else None)
    levels = torch.arange(256, dtype=torch.int32) * (257 if deep else 1)
    pixels = levels.to(encoding.dtype).expand(1, 3, 2, 256)
    (frame,) = FrameMaker(encoding, tags_for(info.color, encoding))(pixels)
    depth = 10 if deep else 8
    luma = torch.from_numpy(frame.to_ndarray()[:2].astype("int32"))
    unit = 2 ** (depth - 8)
    low, span = (0, 2**depth - 1) if full_range else (16 * unit, 219 * unit)
    wanted = low + span * torch.arange(256) / 255
    assert float((luma - wanted).abs().max()) <= 0.75
    assert abs(float((luma - wanted).mean())) <= 0.1


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "chroma"),
    [
        ("h264", "yuv420p", "420"),
        ("h264", "yuv420p10", "420"),
        ("hevc", "yuv422p", "422"),
        ("prores", "yuv422p10", "422"),
        ("vp9", "yuva420p", "420"),
        ("y4m", "yuv420p", "420"),
    ],
)
def test_chroma_lies_on_even_columns_where_players_take_it(
    tmp_path: Path, codec: str, pix_fmt: str, chroma: str
) -> None:
    """A sample is the mean of its column (one half) and those beside it (one quarter each)."""
    info = _info(tmp_path, width=32, height=4, alpha=pix_fmt == "yuva420p")
    encoding = encoding_for(codec, info, None, "cpu", pixel_format=pix_fmt)
    lines = torch.zeros(1, 3, 4, 32, dtype=torch.int32)
    lines[:, 0, :, [8, 19]] = torch.iinfo(encoding.dtype).max
    pixels = lines.to(encoding.dtype)
    (frame,) = FrameMaker(encoding, tags_for(info.color, encoding))(pixels)
    deep = encoding.deep
    plane = np.frombuffer(memoryview(frame.planes[2]), np.uint16 if deep else np.uint8)
    rows = plane.reshape(frame.planes[2].height, -1)[:, :16] / (4 if deep else 1)
    assert len(rows) == (2 if chroma == "420" else 4)
    wanted = np.full(16, 128.0)
    wanted[4] += 112 / 2
    wanted[[9, 10]] += 112 / 4
    assert abs(rows - wanted).max() <= 0.75


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("size", [(97, 64), (96, 63), (97, 63)])
def test_no_row_of_an_odd_size_is_lost(tmp_path: Path, codec: str, size: tuple[int, int]) -> None:
    width, height = size
    pixels = smooth(2, height, width)
    info = _info(tmp_path, width=width, height=height)
    found = _round_trip(tmp_path, pixels, info, "a.mp4", codec=codec, crf=8)
    assert found.pixels.shape == pixels.shape
    assert difference(found, Clip(pixels, found.pts)) <= 1.5


@pytest.mark.parametrize(
    ("codec", "name"), [("av1", "a.mp4"), ("prores", "a.mov"), ("vp9", "a.webm"), (None, "a.gif")]
)
def test_other_codecs_hold_odd_sizes_too(tmp_path: Path, codec: str | None, name: str) -> None:
    pixels = smooth(2, 63, 97)
    found = _round_trip(tmp_path, pixels, _info(tmp_path, width=97, height=63), name, codec=codec)
    assert found.pixels.shape == pixels.shape
    assert difference(found, Clip(pixels, found.pts)) <= 3
    if codec == "prores":  # FFmpeg's 4:2:2 had no colour in the last column
        assert difference(found, Clip(pixels, found.pts)) <= 0.5


@pytest.mark.parametrize("chroma", ["420", "422", "444", "rgb", "gray"])
@pytest.mark.parametrize("depth", [8, 10])
def test_h264_is_stored_as_every_player_shows_it(tmp_path: Path, chroma: str, depth: int) -> None:
    info = _info(tmp_path, chroma=chroma, bit_depth=depth)
    encoding = encoding_for("h264", info, None, "cpu")
    assert encoding.pix_fmt == "yuv420p" and encoding.dtype is torch.uint8
    less = chroma in {"422", "444"} or depth > 8
    assert bool(encoding.notes) == less
    if less:
        assert "--pixel-format yuv4" in encoding.notes[0]


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_ten_bits_stay_where_the_main_profile_has_them(tmp_path: Path, codec: str) -> None:
    encoding = encoding_for(codec, _info(tmp_path, chroma="422", bit_depth=10), None, "cpu")
    assert encoding.pix_fmt == "yuv420p10le" and encoding.dtype is torch.uint16


@pytest.mark.parametrize(
    ("chroma", "codec", "stored"), [("422", "prores", "yuv422p10le"), ("444", "prores", "yuv444p10le")]
)
def test_an_archival_codec_follows_the_source(tmp_path: Path, chroma: str, codec: str, stored: str) -> None:
    encoding = encoding_for(codec, _info(tmp_path, chroma=chroma, bit_depth=10), None, "cpu")
    assert (encoding.pix_fmt, encoding.notes) == (stored, ())


@pytest.mark.parametrize(("asked", "stored"), [("yuv422p", "yuv422p"), ("yuv444p10", "yuv444p10le")])
def test_the_pixel_format_that_is_asked_for_is_stored(tmp_path: Path, asked: str, stored: str) -> None:
    made = make_clips.write_clip(tmp_path / "in.mp4", pix_fmt="yuv422p10le", matrix=1)
    copy(made.path, tmp_path / "out.mp4", pixel_format=asked)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].format.name == stored


@pytest.mark.parametrize(
    ("codec", "name"), [("h264", "yuv420p12"), ("h264", "pal8"), ("av1", "yuv444p"), ("h264", "nonsense")]
)
def test_a_pixel_format_that_the_codec_can_not_store_is_refused(
    tmp_path: Path, codec: str, name: str
) -> None:
    with pytest.raises(ConfigError, match=r"--pixel-format .* use one of .*yuv420p"):
        encoding_for(codec, _info(tmp_path), None, "cpu", pixel_format=name)


@pytest.mark.parametrize(
    ("codec", "option", "value"),
    [
        ("h264", "preset", "slow"),
        ("hevc", "preset", "slow"),
        ("av1", "preset", "5"),
        ("vp9", "cpu-used", "2"),
    ],
)
def test_the_preset_reaches_the_encoder(tmp_path: Path, codec: str, option: str, value: str) -> None:
    assert encoding_for(codec, _info(tmp_path), None, "cpu", preset="slow").options[option] == value


def test_h264_is_encoded_quickly_unless_told_otherwise(tmp_path: Path) -> None:
    usual, told = (
        encoding_for("h264", _info(tmp_path), None, "cpu", preset=name) for name in (None, "veryfast")
    )
    assert usual.options["preset"] == told.options["preset"] == "veryfast"
    assert "me=dia" in usual.options["x264-params"] and "me=dia" not in told.options["x264-params"]


@pytest.mark.parametrize(("codec", "preset"), [("h264", "lightning"), ("ffv1", "slow"), ("prores", "slow")])
def test_a_preset_that_means_nothing_is_refused(tmp_path: Path, codec: str, preset: str) -> None:
    with pytest.raises(ConfigError, match="preset"):
        encoding_for(codec, _info(tmp_path), None, "cpu", preset=preset)


@pytest.mark.parametrize(
    ("codec", "crf"), [("h264", 52), ("h264", -1), ("av1", 64), ("ffv1", 10), ("prores", 10)]
)
def test_a_quality_the_codec_does_not_have_is_refused(tmp_path: Path, codec: str, crf: float) -> None:
    with pytest.raises(ConfigError, match="--crf"):
        encoding_for(codec, _info(tmp_path), crf, "cpu")


def test_without_a_gpu_nvenc_falls_back_with_a_note(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    encoding = encoding_for("h264", _info(tmp_path), None, "cuda:0")
    assert encoding.encoder == "libx264"
    assert any("h264_nvenc can't be used" in note and "on the CPU" in note for note in encoding.notes)


@pytest.mark.gpu
def test_with_a_gpu_nvenc_is_used(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    info = _info(tmp_path, width=640, height=480)
    encoding = encoding_for("h264", info, 12, "cuda")
    if encoding.encoder != "h264_nvenc":
        pytest.skip(f"no NVENC here: {encoding.notes}")
    pixels = smooth(4, 480, 640)
    found = _round_trip(tmp_path, pixels, info, "a.mp4", crf=12, device="cuda")
    assert difference(found, Clip(pixels, found.pts)) <= 2
