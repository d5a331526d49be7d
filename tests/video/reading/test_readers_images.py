"""Folders of frames, and single stills, as sources."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from make_clips import FRAMES, index_of, picture
from PIL import Image

from scenivid.errors import InputError
from scenivid.video.open import open_video, probe
from scenivid.video.reading.pictures.images import natural_key, read_image, read_picture


def save(path: Path, image: np.ndarray) -> Path:
    """Write an RGB(A) or grey image."""
    swap = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    stored = image if image.ndim == 2 else cv2.cvtColor(image, swap[image.shape[2]])
    assert cv2.imwrite(str(path), stored)
    return path


def test_names_are_read_in_natural_order(tmp_path: Path) -> None:
    for index in range(FRAMES):
        save(tmp_path / f"shot-{index}.png", picture(index))
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    with open_video(tmp_path) as reader:
        assert reader.info.names == tuple(f"shot-{index}.png" for index in range(FRAMES))
        assert reader.decoder == "images"
        (clip,) = reader.clips(100)
    assert [index_of(frame.numpy()) for frame in clip.pixels] == list(range(FRAMES))
    assert clip.pts == tuple(Fraction(index, 24) for index in range(FRAMES))


def test_numbers_count_as_numbers_and_the_rest_as_text() -> None:
    names = ["b10.png", "a2.png", "b9.png", "a10.png", "B1.png", "7.png", "a.png"]
    ordered = ["7.png", "a2.png", "a10.png", "a.png", "B1.png", "b9.png", "b10.png"]
    assert sorted(names, key=natural_key) == ordered


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".webp", ".tif", ".tiff", ".bmp"])
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / f"0{suffix}", picture(3))
    info = probe(tmp_path)
    assert (info.width, info.height, info.bit_depth, info.container) == (112, 64, 8, "frames")
    assert info.color.full_range
    with open_video(tmp_path) as reader:
        (clip,) = reader.clips(4)
    assert index_of(clip.pixels[0].numpy()) == 3
    difference = (clip.pixels[0].permute(1, 2, 0).int() - torch.from_numpy(picture(3)).int()).abs().float()
    assert difference.mean() < (3 if suffix.lower() in (".jpg", ".jpeg", ".webp") else 1e-6)


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (6, 8, 3), dtype=np.uint16)
    save(tmp_path / "a.png", image)
    save(tmp_path / "b.tif", image)
    with open_video(tmp_path) as reader:
        assert reader.info.bit_depth == 16
        (clip,) = reader.clips(2)
    assert clip.pixels.dtype == torch.uint16
    assert np.array_equal(clip.pixels.numpy().transpose(0, 2, 3, 1), np.stack([image, image]))


def test_grey_is_repeated_and_alpha_lies_over_black(tmp_path: Path) -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert (read_image(save(tmp_path / "grey.png", grey)) == grey[..., None]).all()
    colour = np.full((6, 8, 4), (200, 100, 50, 255), np.uint8)
    colour[:3, :, 3] = 0
    colour[3, :, 3] = 128
    image = read_image(save(tmp_path / "alpha.png", colour))
    assert (image[:3] == 0).all()
    assert (image[3] == (100, 50, 25)).all()
    assert (image[4:] == (200, 100, 50)).all()


def test_a_tiff_keeps_the_colour_below_its_opacity(tmp_path: Path) -> None:
    image = np.full((6, 8, 4), (200, 100, 50, 128), np.uint8)
    Image.fromarray(image).save(tmp_path / "1.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "1.tif"), image)


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_a_tiff_without_opacity_gets_none(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (8, 6), (200, 100, 50)).convert(mode).save(tmp_path / "1.tif")
    image = read_picture(tmp_path / "1.tif")
    assert image.shape == (6, 8, 3)
    assert image[0, 0].tolist() == [200, 100, 50]


def test_a_photograph_is_turned_as_its_exif_data_say(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.jpg", picture(0))
    data = path.read_bytes()
    orientation_6 = (
        b"\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01"
        b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    )
    path.write_bytes(data[:2] + orientation_6 + data[2:])
    assert read_image(path).shape == (112, 64, 3)


def test_a_single_still_is_a_video_of_one_frame(tmp_path: Path) -> None:
    path = save(tmp_path / "still.png", picture(5))
    save(tmp_path / "other.png", picture(6))
    with open_video(path) as reader:
        assert (reader.frames, reader.info.names) == (1, ("still.png",))
        (clip,) = reader.clips(4)
    assert index_of(clip.pixels[0].numpy()) == 5


def test_an_odd_size_names_the_file(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture(0))
    save(tmp_path / "2.png", picture(1, 100, 60))
    with (
        open_video(tmp_path) as reader,
        pytest.raises(InputError, match=r"2\.png: 100x60, while 1\.png is 112x64"),
    ):
        list(reader.clips(2))


def test_an_odd_depth_names_the_file(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture(0))
    save(tmp_path / "2.png", picture(1).astype(np.uint16))
    with (
        open_video(tmp_path) as reader,
        pytest.raises(InputError, match=r"2\.png: uint16 samples, while 1\.png"),
    ):
        list(reader.clips(2))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_damaged_image_is_named_without_noise(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    save(tmp_path / f"1{suffix}", picture(0))
    path = save(tmp_path / f"2{suffix}", rng.integers(0, 256, (64, 112, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_video(tmp_path) as reader, pytest.raises(InputError, match=rf"2\{suffix}: not an image"):
        list(reader.clips(2))
    assert capfd.readouterr().err == ""


def test_an_image_that_vanishes_is_named(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture(0))
    second = save(tmp_path / "2.png", picture(1))
    with open_video(tmp_path) as reader:
        second.unlink()
        with pytest.raises(InputError, match=r"2\.png: no such file"):
            list(reader.clips(1))


def test_floating_point_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "1.tiff", np.zeros((4, 4), np.float32))
    with pytest.raises(InputError, match="float32 samples"):
        probe(tmp_path)
