"""Decoded colours against the equations of the standards."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from scenivid.errors import InputError
from scenivid.video.color import MATRICES, RgbConverter, bits, color_info
from scenivid.video.info import ColorInfo
from scenivid.video.open import open_video
from scenivid.video.reading.clips import storable

# Kr, Kb of ITU-R BT.709, BT.601, BT.2020 and SMPTE 240M.
WEIGHTS = {
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "bt2020nc": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
}


def frame_of(layout: str, values: tuple[int, ...]) -> av.VideoFrame:
    """A uniform frame whose planes hold `values`."""
    frame = av.VideoFrame(32, 16, layout)
    dtype = np.uint16 if bits(frame.format) > 8 else np.uint8
    for plane, value in zip(frame.planes, values, strict=True):
        plane.update(np.full(plane.buffer_size // dtype().itemsize, value, dtype).tobytes())
    return frame


def tags(layout: str, matrix: str, full_range: bool) -> ColorInfo:
    code = next(code for code, name in MATRICES.items() if name == matrix)
    shape = av.VideoFormat(layout)
    return color_info(shape, 32, 16, matrix=code, color_range=1 + full_range, primaries=2, transfer=2)


def rgb(values: tuple[int, ...], matrix: str, full_range: bool, depth: int) -> npt.NDArray[np.float64]:
    """E'R, E'G, E'B in [0, 1] by BT.709-6 section 3 and BT.2100-2 table 9."""
    y, cb, cr = values
    kr, kb = WEIGHTS[matrix]
    unit = 1 << (depth - 8)
    if full_range:
        luma, blue, red = (v / ((1 << depth) - 1) for v in (y, cb - 128 * unit, cr - 128 * unit))
    else:
        luma, blue, red = (y / unit - 16) / 219, (cb / unit - 128) / 224, (cr / unit - 128) / 224
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    return np.clip([r, (luma - kr * r - kb * b) / (1 - kr - kb), b], 0, 1)


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize(
    "layout",
    ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le", "yuv444p16le"],
)
def test_colours_follow_matrix_and_range(layout: str, matrix: str, full_range: bool) -> None:
    depth = bits(av.VideoFormat(layout))
    convert = RgbConverter(tags(layout, matrix, full_range))
    rng = np.random.default_rng(0)
    for _ in range(12):
        values = tuple(int(v) << (depth - 8) for v in rng.integers(20, 230, 3))
        got = np.array([plane[8, 16] for plane in convert(frame_of(layout, values))], float)
        white = 255 if depth == 8 else 65535
        error = np.abs(got / white - rgb(values, matrix, full_range, depth)).max() * 255
        assert error <= (0.52 if depth == 8 else 0.1)  # half a step of rounding; swscale's 15 bits


@pytest.mark.parametrize(
    "layout", ["yuv420p", "yuv420p10le", "yuv444p16le", "yuva444p10le", "gray", "gray10le", "gray16le"]
)
@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
def test_black_is_zero_and_white_the_largest_number(layout: str, full_range: bool) -> None:
    shape = av.VideoFormat(layout)
    depth = bits(shape)
    unit, top = 1 << (depth - 8), (1 << depth) - 1
    convert = RgbConverter(tags(layout, "bt709", full_range))
    neutral = tuple(top if part.is_alpha else 128 * unit for part in shape.components[1:])
    for luma, expected in ((0 if full_range else 16 * unit, 0), (top if full_range else 235 * unit, 1)):
        for plane in convert(frame_of(layout, (luma, *neutral))):
            assert (plane == expected * (255 if depth == 8 else 65535)).all()


@pytest.mark.parametrize(
    ("layout", "top"), [("gbrp", 255), ("gbrp10le", 1023), ("gbrp12le", 4095), ("gbrp16le", 65535)]
)
def test_rgb_is_only_rescaled(layout: str, top: int) -> None:
    convert = RgbConverter(tags(layout, "gbr", True))
    values = (0, top // 3, top)  # green, blue, red
    red, green, blue = (int(plane[0, 0]) for plane in convert(frame_of(layout, values)))
    white = 255 if top == 255 else 65535
    step = 1 if white == 255 else 40  # swscale computes in 15 bits
    assert (red, green) == (white, pytest.approx(0, abs=step))
    assert blue == pytest.approx(white / 3, abs=step)


@pytest.mark.parametrize(("layout", "top"), [("gbrap", 255), ("gbrap10le", 1023), ("gbrap16le", 65535)])
def test_transparent_pixels_lie_over_black(layout: str, top: int) -> None:
    convert = RgbConverter(tags(layout, "gbr", True))
    white = 255 if top == 255 else 65535
    for opacity in (0, top // 2, top):
        planes = convert(frame_of(layout, (top, top, top, opacity)))
        assert all(int(plane[0, 0]) == pytest.approx(white * opacity / top, abs=1) for plane in planes)


@pytest.mark.parametrize(
    ("size", "primaries", "expected"),
    [
        ((640, 480), 2, "smpte170m"),
        ((1024, 576), 2, "smpte170m"),
        ((1280, 720), 2, "bt709"),
        ((1280, 536), 2, "bt709"),
        ((720, 1280), 2, "bt709"),
        ((640, 480), 9, "bt2020nc"),
    ],
)
def test_missing_tags_are_guessed_as_players_do(size: tuple[int, int], primaries: int, expected: str) -> None:
    layout = av.VideoFormat("yuv420p")
    info = color_info(layout, *size, matrix=2, color_range=0, primaries=primaries, transfer=2)
    assert (info.matrix, info.tagged, info.full_range) == (expected, False, False)


def test_an_impossible_tag_is_ignored() -> None:
    info = color_info(av.VideoFormat("yuv420p"), 64, 64, matrix=0, color_range=0, primaries=3, transfer=2)
    assert (info.matrix, info.tagged) == ("smpte170m", False)


def test_a_matrix_that_cannot_be_inverted_is_refused() -> None:
    with pytest.raises(InputError, match="ycgco"):
        RgbConverter(tags("yuv420p", "ycgco", False))


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options"),
    [
        ("ffv1", "yuv420p", {}),
        ("ffv1", "yuv422p", {}),
        ("libx265", "yuv422p", {"x265-params": "log-level=none:lossless=1"}),
    ],
)
def test_chroma_without_a_tag_lies_on_even_columns(
    tmp_path: Path, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    """So players have it; swscale would show it half a pixel further to the right."""
    path, columns = tmp_path / "a.mkv", np.arange(64)
    with av.open(path, "w") as file:
        stream = file.add_stream(codec, 25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 32, pix_fmt
        frame = av.VideoFrame(64, 32, pix_fmt)
        samples = (np.full(64, 126), np.full(32, 128), 80 + 3 * np.arange(32))
        for plane, values in zip(frame.planes, samples, strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
            rows[:, : plane.width] = values
        file.mux([*stream.encode(frame), *stream.encode()])
    with open_video(path) as reader:
        (clip,) = reader.clips(1)
    red = clip.pixels[0, 0, 8].numpy().astype(float)
    wanted = 255 * (110 / 219 + 1.402 * (80 + 1.5 * columns - 128) / 224)
    assert abs((red - wanted)[8:-8].mean()) <= 0.3


def test_motion_jpeg_is_not_passed_on_as_stored(tmp_path: Path) -> None:
    """Its chroma lies between two columns, and would be shown half a pixel to the left."""
    path = tmp_path / "a.avi"
    with av.open(path, "w") as file:
        stream = file.add_stream("mjpeg", 25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuvj420p"
        file.mux([*stream.encode(av.VideoFrame(64, 32, "yuvj420p")), *stream.encode()])
    with open_video(path) as reader:
        assert reader.info.chroma == "420" and not storable(reader.info)
