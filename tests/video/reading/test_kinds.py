"""Kinds of pictures: interlaced, transparent, huge, tiny, moving, tiled, in colours that need a word."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import make_clips
import numpy as np
import pytest
import torch
from odd_clips import H264, SCENE, encoded, ffmpeg, interlaced, telecined, transparent
from PIL import Image

from scenivid.errors import ConfigError, InputError
from scenivid.pixels import Clip
from scenivid.video.color import color_info
from scenivid.video.describe import orientation
from scenivid.video.headers.heif import is_grid
from scenivid.video.open import open_video, probe
from scenivid.video.reading.pictures.images import missing_numbers
from scenivid.video.reading.settings import ReadSettings


def read(path: Path, **how: object) -> tuple[Clip, tuple[str, ...]]:
    with open_video(path, how=ReadSettings(**how)) as reader:  # type: ignore[arg-type]
        (clip,) = reader.clips(100)
        assert len(clip) == reader.frames
        return clip, reader.notes


def combs(pixels: torch.Tensor) -> float:
    """How much neighbouring rows differ beyond what rows two apart do."""
    luma = pixels.float().mean(1)
    near, far = (luma[:, 1:-1] - luma[:, :-2]).abs().mean(), (luma[:, 2:] - luma[:, :-2]).abs().mean()
    return float(near / far)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mpg", "mpeg2video")])
def test_interlaced_frames_lose_their_combs_but_not_their_number(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = interlaced(tmp_path / name, codec)
    woven, left = read(path, deinterlace="off")
    whole, notes = read(path)
    assert (whole.pts, whole.durations, len(whole)) == (woven.pts, woven.durations, 25)
    assert combs(whole.pixels) < 0.9 * combs(woven.pixels)
    assert any("bwdif" in note for note in notes)
    assert any("--deinterlace off" in note for note in left)


def test_progressive_footage_is_left_alone(tmp_path: Path) -> None:
    path = encoded(tmp_path / "a.mp4", *H264)
    assert torch.equal(read(path)[0].pixels, read(path, deinterlace="off")[0].pixels)
    assert read(path)[1] == ()


def test_telecine_is_recognised(tmp_path: Path) -> None:
    _, notes = read(telecined(tmp_path / "film.mpg"))
    assert any("telecined" in note for note in notes)
    _, notes = read(interlaced(tmp_path / "video.mpg", "mpeg2video"))
    assert not any("telecined" in note for note in notes)


TRANSPARENT = {
    "a.mov": ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"),
    "a.mkv": ("-c:v", "ffv1", "-pix_fmt", "bgra"),
    "a.webm": ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"),
    "vp8.webm": ("-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0"),
    "a.apng": ("-c:v", "apng", "-pix_fmt", "rgba"),
    "animation.mov": ("-c:v", "qtrle", "-pix_fmt", "argb"),
    "frames": (),
    "a.webp": (),
}


def made_transparent(path: Path) -> Path:
    if path.name not in {"frames", "a.webp"}:
        return transparent(path, *TRANSPARENT[path.name])
    moving = transparent(path.with_name("source.mkv"), *TRANSPARENT["a.mkv"])
    with av.open(str(moving)) as container:
        frames = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    if path.suffix:
        first, *rest = (Image.fromarray(frame) for frame in frames)
        first.save(
            path, save_all=True, append_images=rest, duration=[100, 40, 60, 100], lossless=True, exact=True
        )
        return path
    path.mkdir()
    for index, frame in enumerate(frames):
        cv2.imwrite(str(path / f"{index}.png"), cv2.cvtColor(frame, cv2.COLOR_RGBA2BGRA))
    return path


@pytest.mark.parametrize("name", TRANSPARENT)
def test_opacity_is_given_and_what_it_hides_is_black(tmp_path: Path, name: str) -> None:
    path = made_transparent(tmp_path / name)
    assert probe(path).alpha
    clip, _ = read(path)
    assert clip.alpha is not None
    top = torch.iinfo(clip.pixels.dtype).max
    for index in range(4):
        assert int(clip.alpha[index, 0, 2, 2].int()) <= top // 50
        assert int(clip.alpha[index, 0, 16, 16 + 4 * index].int()) >= top - top // 50
        assert clip.pixels[index, :, 2, 2].int().max() <= top // 50 or clip.alpha[index, 0, 2, 2] > 0
        green = clip.pixels[index, :, 16, 16 + 4 * index].int() / top
        assert torch.allclose(green, torch.tensor([0, 200 / 255, 100 / 255]), atol=0.04)


def test_a_moving_webp_is_read_at_its_times(tmp_path: Path) -> None:
    path = made_transparent(tmp_path / "a.webp")
    clip, _ = read(path)
    assert clip.pts == tuple(Fraction(time, 1000) for time in (0, 100, 140, 200))
    with open_video(path, start=Fraction(1, 10), duration=Fraction(1, 10)) as reader:
        assert [time for part in reader.clips(1) for time in part.pts] == [clip.pts[1], clip.pts[2]]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 40])
    with pytest.raises(InputError, match="damaged"):
        read(path)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def huge_png(path: Path, side: int = 30000) -> Path:
    """A few kilobytes that stand for a gigabyte."""
    rows = zlib.compress(bytes(1000 * (1 + side // 8)), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("side", [15000, 30000, 70000])
def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    path = huge_png(tmp_path / "bomb.png", side)
    for source in (path, tmp_path):
        with pytest.raises(InputError, match="million pixels, more than the 200 million allowed; raise"):
            probe(source)
        with pytest.raises(InputError, match="--max-pixels"):
            open_video(source)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.gif", "a.apng", "a.ts", "frames"])
def test_the_limit_holds_for_every_kind(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix:
        encoded(path, *(H264 if path.suffix in {".mp4", ".mkv", ".ts"} else ()))
    else:
        path.mkdir()
        cv2.imwrite(str(path / "1.png"), np.zeros((64, 112, 3), np.uint8))
    read(path, max_pixels=112 * 64)
    with pytest.raises(InputError, match="112x64"):
        read(path, max_pixels=112 * 64 - 1)


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".png"])
def test_the_smallest_video_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"dot{suffix}"
    words = ("-frames:v", "1") if suffix == ".png" else ("-c:v", "ffv1", "-pix_fmt", "yuv444p")
    ffmpeg("-f", "lavfi", "-i", "color=white:s=1x1:r=25:d=0.2", *words, str(path))
    clip, _ = read(path)
    assert clip.pixels.shape == (1 if suffix == ".png" else 5, 3, 1, 1)


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["a1.png", "a2.png", "a3.png"], ""),
        (["a1.png", "a2.png", "a5.png", "a7.png"], "3 numbers missing among the names of the frames: 3-4, 6"),
        (["a0998.png", "a1000.png"], "1 number missing among the names of the frames: 999"),
        (["2024.png", "3.png"], ""),
        (["x.png", "y.png"], ""),
        (["1-a.png", "4-b.png"], ""),
    ],
)
def test_gaps_in_the_numbers_of_frames_are_noted(names: list[str], note: str) -> None:
    assert missing_numbers(names) == note


def numbered(folder: Path, numbers: tuple[int, ...]) -> Path:
    folder.mkdir()
    for number in numbers:
        cv2.imwrite(str(folder / f"{number}.png"), np.full((8, 8, 3), number, np.uint8))
    return folder


def test_a_folder_takes_a_rate_and_says_what_is_missing(tmp_path: Path) -> None:
    folder = numbered(tmp_path / "frames", (1, 2, 4))
    clip, notes = read(folder, rate_hz=Fraction(30000, 1001))
    assert clip.pts == tuple(index * Fraction(1001, 30000) for index in range(3))
    assert notes == ("1 number missing among the names of the frames: 3",)
    with pytest.raises(ConfigError, match="frame times of its own"):
        read(make_clips.plain(tmp_path / "a.mp4").path, rate_hz=Fraction(24))


def test_a_damaged_frame_of_a_folder_is_passed_over_if_asked(tmp_path: Path) -> None:
    folder = numbered(tmp_path / "frames", (1, 2, 3))
    (folder / "2.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(InputError, match=r"2\.png"):
        read(folder)
    with open_video(folder, how=ReadSettings(on_error="skip")) as reader:
        (clip,) = reader.clips(4)
    assert clip.pts == (Fraction(0), Fraction(2, 24))
    assert reader.frames_lost == 1
    assert "2.png" in reader.notes[0]


def test_a_superscript_digit_in_a_name_is_no_number(tmp_path: Path) -> None:
    folder = numbered(tmp_path / "frames", (1,))
    (folder / "1.png").rename(folder / "1²2.png")
    assert probe(folder).names == ("1²2.png",)


def test_a_grid_of_tiles_is_refused(tmp_path: Path) -> None:
    path = encoded(tmp_path / "a.avif", "-frames:v", "1", "-c:v", "libaom-av1", "-cpu-used", "8", scene=SCENE)
    assert not is_grid(path)
    data = path.read_bytes()
    at = data.index(b"infe")
    path.write_bytes(data[:at] + data[at:].replace(b"av01", b"grid", 1))
    assert is_grid(path)
    with pytest.raises(InputError, match="grid of tiles"):
        probe(path)


def test_side_data_that_pyav_doesnt_know_doesnt_matter() -> None:
    class Frame(SimpleNamespace):
        @property
        def side_data(self) -> None:
            raise ValueError("29 is not a valid Type")

    for counterclockwise, clockwise in ((0, 0), (90, 270), (-90, 90), (180, 180)):
        assert orientation(Frame(rotation=counterclockwise), Path("a.mov")) == (clockwise, False)  # type: ignore[arg-type]


def test_colours_that_need_a_word_get_one(tmp_path: Path) -> None:
    deep, flat = av.VideoFormat("yuv420p10le"), av.VideoFormat("yuv420p")

    def remarks(layout: av.VideoFormat, width: int, matrix: int, primaries: int, transfer: int) -> str:
        tags = {"matrix": matrix, "color_range": 0, "primaries": primaries, "transfer": transfer}
        return " ".join(color_info(layout, width, width // 2, **tags).remarks)

    assert "without a transfer curve" in remarks(deep, 3840, 9, 9, 2)
    assert "without a transfer curve" in remarks(deep, 1920, 2, 9, 2)
    assert "may be BT.2020" in remarks(deep, 3840, 2, 2, 2)
    assert remarks(deep, 3840, 9, 9, 16) == remarks(flat, 3840, 2, 2, 2) == remarks(flat, 640, 1, 1, 1) == ""


def test_dolby_vision_without_another_picture_gets_a_word(tmp_path: Path) -> None:
    words = ("-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le", "-tag:v", "dvh1")
    path = encoded(tmp_path / "a.mp4", *words, "-strict", "unofficial")
    assert any("Dolby Vision profile 5" in note for note in read(path)[1])
    plain = encoded(tmp_path / "b.mp4", *words[:6], "-tag:v", "hvc1")
    assert read(plain)[1] == ()
