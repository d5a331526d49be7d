"""Folders of frames, in and out."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import cv2
import make_clips
import numpy as np
import pytest
import torch
from identity import copy, read
from PIL import Image, ImageCms

from scenivid.errors import OutputError
from scenivid.video.open import probe
from scenivid.video.writing.writer import WriterSettings, open_writer


def _folder(path: Path, names: list[str], dtype: type[np.generic] = np.uint8) -> Path:
    path.mkdir()
    top = np.iinfo(dtype).max
    for index, name in enumerate(names):
        image = np.random.default_rng(index).integers(0, top, (17, 23, 3), dtype=dtype, endpoint=True)
        cv2.imwrite(str(path / name), image)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_folder_comes_out_as_it_went_in(tmp_path: Path, dtype: type[np.generic]) -> None:
    source = _folder(tmp_path / "in", ["shot1.png", "shot2.png", "shot10.png"], dtype)
    notes = copy(source, tmp_path / "out", batch=2)
    assert notes == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        p.name for p in source.iterdir()
    )
    before, after = read(source), read(tmp_path / "out")
    assert after.pixels.dtype is (torch.uint8 if dtype is np.uint8 else torch.uint16)
    assert after.pixels.equal(before.pixels) and after.pts == before.pts


def test_a_video_becomes_numbered_frames(tmp_path: Path) -> None:
    made = make_clips.plain(tmp_path / "in.mp4")
    notes = copy(made.path, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"{n:06d}.png" for n in range(1, make_clips.FRAMES + 1)]
    assert read(tmp_path / "out").pixels.equal(read(made.path).pixels)
    assert any("no times" in note for note in notes)


def test_deep_video_becomes_deep_frames(tmp_path: Path) -> None:
    made = make_clips.ten_bit(tmp_path / "in.mp4")
    copy(made.path, tmp_path / "out")
    assert read(tmp_path / "out").pixels.equal(read(made.path).pixels)
    assert probe(tmp_path / "out").bit_depth == 16


def test_sound_is_missed_with_a_note(tmp_path: Path) -> None:
    made = make_clips.many_tracks(tmp_path / "in.mp4")
    notes = copy(made.path, tmp_path / "out")
    assert "2 audio tracks left out: a folder holds frames only" in notes
    assert "1 subtitle track left out: a folder holds frames only" in notes


def test_a_trimmed_folder_keeps_the_names_of_its_frames(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", [f"f{n}.png" for n in range(6)])
    copy(source, tmp_path / "out", start=Fraction(2, 24), duration=Fraction(3, 24))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["f2.png", "f3.png", "f4.png"]


def test_names_that_would_fall_together_become_numbers(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", ["a.png", "a.bmp"])
    copy(source, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000001.png", "000002.png"]


def test_a_folder_becomes_a_video(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", ["1.png", "2.png", "3.png"])
    assert copy(source, tmp_path / "out.mkv", codec="ffv1") != []  # 1/24 s is no whole millisecond
    assert read(tmp_path / "out.mkv").pixels.equal(read(source).pixels)
    copy(source, tmp_path / "out.mp4")
    assert read(tmp_path / "out.mp4").pts == read(source).pts


def test_in_an_old_folder_of_frames_only_those_of_the_run_are_replaced_and_only_on_request(
    tmp_path: Path,
) -> None:
    source = _folder(tmp_path / "in", ["1.png", "2.png"])
    old = _folder(tmp_path / "out", ["2.png", "7.png"])
    (old / "inner").mkdir()
    kept = (old / "7.png").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        open_writer(tmp_path / "out", probe(source), WriterSettings())
    notes = copy(source, tmp_path / "out", overwrite=True)
    assert sorted(path.name for path in old.iterdir()) == ["1.png", "2.png", "7.png", "inner"]
    assert (old / "7.png").read_bytes() == kept and (old / "2.png").read_bytes() != kept
    assert any("1 other file" in note for note in notes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_an_output_that_holds_the_input_or_would_replace_a_frame_of_it_is_refused(tmp_path: Path) -> None:
    pictures = _folder(tmp_path / "pics", ["001.png", "002.png", "003.png"])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    link = tmp_path / "link"
    link.symlink_to(pictures)
    only = _folder(tmp_path / "only", ["1.png"])
    before[only / "1.png"] = (only / "1.png").read_bytes()
    for source, output in [
        (pictures / "002.png", pictures),
        (pictures / "002.png", tmp_path),
        (pictures / "002.png", link),
        (link / "002.png", pictures),
        (pictures, tmp_path),
        (pictures, link),
        (only, only / "1.png"),
    ]:
        with pytest.raises(OutputError, match=r"input"):
            open_writer(output, probe(source), WriterSettings(overwrite=True))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", ["1.png"])
    (tmp_path / "link.mp4").symlink_to(os.devnull)
    os.mkfifo(tmp_path / "pipe.mp4")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link.mp4", "pipe.mp4", "pipe"):
        with pytest.raises(OutputError, match="never replaced"):
            open_writer(tmp_path / name, probe(source), WriterSettings(overwrite=True))
    with pytest.raises(OutputError, match="never replaced"):
        open_writer(Path(os.devnull), probe(source), WriterSettings(overwrite=True))
    assert (tmp_path / "pipe").is_fifo() and not Path(os.devnull).is_file()


def test_an_empty_folder_is_filled_without_asking(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", ["1.png"])
    (tmp_path / "out").mkdir()
    copy(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.png"]


def test_a_folder_with_other_things_in_it_is_never_replaced(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", ["1.png"])
    home = _folder(tmp_path / "home", ["7.png"])
    (home / "diary.txt").write_text("dear diary")
    with pytest.raises(OutputError, match=r"diary\.txt"):
        open_writer(home, probe(source), WriterSettings(overwrite=True))
    assert (home / "diary.txt").exists() and (home / "7.png").exists()


def test_the_source_folder_is_never_the_output(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", ["1.png"])
    with pytest.raises(OutputError, match="is the input itself"):
        open_writer(source, probe(source), WriterSettings(overwrite=True))


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp", ".webp", ".jpg"])
def test_a_still_image_becomes_a_still_image(tmp_path: Path, suffix: str) -> None:
    image = np.full((17, 23, 3), (40, 120, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "in.png"), image)
    assert copy(tmp_path / "in.png", tmp_path / f"out{suffix}") == []
    found = cv2.imread(str(tmp_path / f"out{suffix}")).astype(int)
    assert abs(found - image).max() <= (0 if suffix in {".png", ".tiff", ".bmp"} else 4)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_deep_still_stays_deep_where_the_format_can(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 65535, (9, 11, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "in.png"), image)
    assert copy(tmp_path / "in.png", tmp_path / "out.tif") == []
    assert (cv2.imread(str(tmp_path / "out.tif"), cv2.IMREAD_UNCHANGED) == image).all()
    assert any("8 bits" in note for note in copy(tmp_path / "in.png", tmp_path / "out.jpg"))


def test_many_frames_are_no_still(tmp_path: Path) -> None:
    source = _folder(tmp_path / "in", ["1.png", "2.png"])
    with pytest.raises(OutputError, match=r"one picture.*has 2"):
        open_writer(tmp_path / "out.png", probe(source), WriterSettings())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def _photograph(path: Path) -> bytes:
    """Turned by its camera, with a profile; returns the profile."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Somebody"
    picture = Image.fromarray(np.full((16, 24, 3), 90, np.uint8))
    picture.save(path, icc_profile=profile, exif=exif)
    return profile


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_photograph_keeps_its_profile_and_camera_data(tmp_path: Path, suffix: str) -> None:
    profile = _photograph(tmp_path / "in.jpg")
    assert copy(tmp_path / "in.jpg", tmp_path / f"out{suffix}") == []
    with Image.open(tmp_path / f"out{suffix}") as image:
        image.load()
        assert image.size == (16, 24) and image.info["icc_profile"] == profile
        assert (image.getexif()[0x0112], image.getexif()[0x010F]) == (1, "Somebody")


def test_where_profile_and_camera_data_are_lost_a_note_says_so(tmp_path: Path) -> None:
    _photograph(tmp_path / "in.jpg")
    assert any("colour profile" in note for note in copy(tmp_path / "in.jpg", tmp_path / "out.bmp"))
