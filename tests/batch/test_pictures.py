"""Pictures that have nothing to do with each other, and pictures that move."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, features
from pretended_jobs import frames, video

from scenivid.batch.jobs import find_jobs, run_jobs
from scenivid.batch.sources import counts_up
from scenivid.engine import StylizeSettings, stylize
from scenivid.errors import ConfigError, InputError, OutputError
from scenivid.video.open import open_video, probe

SETTINGS = StylizeSettings(style="none", device="cpu")


def picture(path: Path, width: int, height: int, **more: Any) -> None:
    y, x = np.mgrid[:height, :width]
    colours = np.dstack([x * 255 // width, y * 255 // height, (x + y) % 256]).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours).save(path, **more)


def moving(path: Path, alpha: bool = True, lengths: tuple[int, ...] = (40, 100, 250), plays: int = 0) -> Path:
    """A disc that wanders over nothing, with uneven times."""
    shown = []
    for index in range(len(lengths)):
        pixels = np.zeros((24, 32, 4), np.uint8)
        pixels[..., 3] = 0 if alpha else 255
        y, x = np.mgrid[:24, :32]
        pixels[(y - 11) ** 2 + (x - 9 - 6 * index) ** 2 < 40] = (200, 60 + 40 * index, 30, 255)
        shown.append(Image.fromarray(pixels))
    webp = path.suffix == ".webp"
    more: dict[str, Any] = {"lossless": True} if webp else {"disposal": 2}
    kind = "PNG" if path.suffix in (".apng", ".png") else None
    gif = path.suffix == ".gif"
    if not gif or plays != 1:  # a GIF that says nothing is shown once
        more["loop"] = plays - 1 if gif and plays else plays
    shown[0].save(path, kind, save_all=True, append_images=shown[1:], duration=list(lengths), **more)
    return path


def names(jobs: list[Any], root: Path) -> list[str]:
    return [str(job.output.relative_to(root)) for job in jobs]


@pytest.mark.parametrize(
    ("files", "count"),
    [
        (["1.png", "2.png", "10.png"], True),
        (["f_0001.png", "f_0002.png"], True),
        (["shot3_001_left.jpg", "shot3_002_left.jpg"], True),
        (["0.png", "10.png", "20.png", "30.png"], True),
        (["000001.png"], True),
        (["holiday1.jpg"], False),
        (["cat.jpg", "dog.jpg"], False),
        (["IMG_2034.jpg", "IMG_2101.jpg", "IMG_2388.jpg"], False),
        (["IMG_20260714_101112.jpg", "IMG_20260714_174533.jpg", "IMG_20260714_174540.jpg"], False),
        (["1.png", "1.jpg"], False),
        (["a1.png", "b2.png"], False),
    ],
)
def test_names_count_up_or_not(files: list[str], count: bool) -> None:
    assert counts_up(files) is count


def test_a_folder_of_twelve_unrelated_pictures_becomes_twelve_pictures(tmp_path: Path) -> None:
    source, out = tmp_path / "photos", tmp_path / "out"
    for index, name in enumerate(
        (
            "cat.jpg",
            "dog.png",
            "a.webp",
            "b.bmp",
            "c.tif",
            "DSC_0001.JPG",
            "DSC_0417.jpg",
            "x.jpeg",
            "y.png",
            "z.tiff",
            "q.webp",
        )
    ):
        picture(
            source / name, 20 + 3 * index, 50 - 2 * index, **({"lossless": True} if ".webp" in name else {})
        )
    picture(source / "trip" / "sunset.png", 17, 9)
    results = list(run_jobs(find_jobs(source, out, SETTINGS)))
    assert [result.status for result in results] == ["done"] * 12, results
    for result in results:
        before, after = (cv2.imread(str(path)) for path in (result.source, result.output))
        assert before.shape == after.shape
        lossy = result.output.suffix.lower() in (".jpg", ".jpeg")
        assert np.abs(before.astype(int) - after).mean() < (4 if lossy else 1e-9), result.output


def test_photographs_of_telephones_become_png_beside_those_that_have_the_name(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("1.png", "2.png", "a.heic", "b.avif", "b.png", "B.HEIF"):
        picture(source / name, 40, 30, **({} if ".png" in name else {"format": "PNG"}))
    jobs = find_jobs(source, out, SETTINGS)
    assert {job.source.name: job.output.name for job in jobs} == {
        "1.png": "1.png", "2.png": "2.png", "b.png": "b.png",
        "a.heic": "a.png", "b.avif": "b.avif.png", "B.HEIF": "B.png",
    }  # fmt: skip


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_an_avif_becomes_a_png(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.avif", 70, 50, quality=95)
    (result,) = run_jobs(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS))
    assert result.status == "done", result
    with Image.open(tmp_path / "in" / "a.avif") as before:
        expected = np.asarray(before.convert("RGB")).astype(int)
    made = cv2.imread(str(tmp_path / "out" / "a.png"))[..., ::-1]
    assert np.abs(made - expected).mean() < 3


def test_pictures_of_different_sizes_are_no_frames_whatever_their_names(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "001.png", 20, 10)
    picture(tmp_path / "in" / "002.png", 10, 20)
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)
    assert names(jobs, tmp_path / "out") == ["001.png", "002.png"]


def test_a_camera_turned_on_its_side_is_a_difference_of_size(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(tmp_path / "in" / "001.jpg", 20, 10)
    picture(tmp_path / "in" / "002.jpg", 20, 10, exif=turned)
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)
    assert names(jobs, tmp_path / "out") == ["001.jpg", "002.jpg"]
    assert {result.status for result in run_jobs(jobs)} == {"done"}
    with Image.open(tmp_path / "out" / "002.jpg") as after:
        assert after.size == (10, 20) and after.getexif().get(0x0112, 1) == 1


def test_as_settles_doubt_both_ways(tmp_path: Path) -> None:
    frames(tmp_path / "in", "001.png", "002.png")
    as_pictures = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS, "pictures")
    assert names(as_pictures, tmp_path / "out") == ["001.png", "002.png"]
    frames(tmp_path / "other", "cat.png", "dog.png")
    (job,) = find_jobs(tmp_path / "other", tmp_path / "out", SETTINGS, "frames")
    assert job.source == tmp_path / "other"
    with pytest.raises(ConfigError, match="as must be one of"):
        find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS, "films")


def test_frames_of_different_sizes_are_told_where_pictures_go(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "001.png", 20, 10)
    picture(tmp_path / "in" / "002.png", 10, 20)
    with pytest.raises(InputError, match="scenivid batch"):
        stylize(tmp_path / "in", tmp_path / "out", SETTINGS)


def test_pictures_beside_a_video_are_taken_only_when_asked_for(tmp_path: Path) -> None:
    video(tmp_path / "in" / "a.mp4")
    picture(tmp_path / "in" / "cover.jpg", 20, 10)
    assert names(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS), tmp_path / "out") == ["a.mp4"]
    both = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS, "pictures")
    assert names(both, tmp_path / "out") == ["a.mp4", "cover.jpg"]


def test_a_codec_is_for_the_videos_among_pictures(tmp_path: Path) -> None:
    video(tmp_path / "in" / "a.mp4")
    picture(tmp_path / "in" / "cover.jpg", 20, 10)
    settings = replace(SETTINGS, codec="hevc", crf=30.0)
    both = find_jobs(tmp_path / "in", tmp_path / "out", settings, "pictures")
    assert [(job.settings.codec, job.settings.crf) for job in both] == [("hevc", 30.0), (None, None)]


def test_profile_orientation_transparency_and_depth_of_pictures_survive_a_batch(tmp_path: Path) -> None:
    profile = bytes(16) + b"RGB " + bytes(108)
    picture(tmp_path / "in" / "a.webp", 20, 10, icc_profile=profile, lossless=True)
    picture(tmp_path / "in" / "b.png", 20, 10, icc_profile=profile)
    deep = np.arange(12 * 9 * 4, dtype=np.uint16).reshape(9, 12, 4) * 151
    deep[..., 3] |= 1
    cv2.imwrite(str(tmp_path / "in" / "c.png"), deep)
    results = list(run_jobs(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)))
    assert [result.status for result in results] == ["done"] * 3, results
    for name in ("a.webp", "b.png"):
        with Image.open(tmp_path / "out" / name) as after:
            assert after.info["icc_profile"] == profile
    assert (cv2.imread(str(tmp_path / "out" / "c.png"), cv2.IMREAD_UNCHANGED) == deep).all()


def shown(path: Path) -> tuple[np.ndarray[Any, Any], list[Fraction], list[Fraction | None]]:
    """RGBA frames, their times and lengths."""
    with open_video(path) as reader:
        (clip,) = reader.clips(100)
        assert clip.alpha is not None
        whole = torch.cat([clip.pixels, clip.alpha], 1).numpy()
        return whole, list(clip.pts), list(clip.durations or ())


@pytest.mark.parametrize("before", [".gif", ".apng", ".webp", ".png"])
@pytest.mark.parametrize("after", [".gif", ".apng", ".webp", ".png"])
def test_moving_pictures_keep_transparency_and_times(tmp_path: Path, before: str, after: str) -> None:
    source = moving(tmp_path / f"in{before}")
    output = tmp_path / f"out{after}"
    stylize(source, output, replace(SETTINGS, crf=0.0 if after == ".webp" else None))
    (was, times, _), (now, when, _) = shown(source), shown(output)
    assert when == times and now.shape == was.shape
    assert (now[:, 3] == was[:, 3]).all()
    assert np.abs(now.astype(int) - was).max() <= (8 if after == ".gif" else 0)
    with Image.open(output) as file:
        assert file.n_frames == 3
        lengths = []
        for index in range(3):
            file.seek(index)
            file.load()
            lengths.append(file.info["duration"])
    assert lengths == [40, 100, 250]


@pytest.mark.parametrize("plays", [0, 1, 3])
@pytest.mark.parametrize("after", [".gif", ".apng", ".webp"])
@pytest.mark.parametrize("before", [".gif", ".apng", ".webp"])
def test_moving_pictures_are_shown_as_often_as_before(
    tmp_path: Path, before: str, after: str, plays: int
) -> None:
    source = moving(tmp_path / f"in{before}", plays=plays)
    assert probe(source).plays == plays
    stylize(source, tmp_path / f"out{after}", SETTINGS)
    assert probe(tmp_path / f"out{after}").plays == plays
    with Image.open(tmp_path / f"out{after}") as file:
        told = file.info.get("loop")
    assert told == (plays if after != ".gif" else {0: 0, 1: None, 3: 2}[plays])


def test_a_batch_leaves_moving_pictures_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.gif", "b.apng", "c.webp", "d.png"):
        moving(tmp_path / "in" / name)
    picture(tmp_path / "in" / "e.jpg", 30, 20)
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)
    assert names(jobs, tmp_path / "out") == ["a.gif", "b.apng", "c.webp", "d.png", "e.jpg"]
    assert {result.status for result in run_jobs(jobs)} == {"done"}
    for job in jobs[:4]:
        with Image.open(job.output) as file:
            assert file.n_frames == 3


def test_a_video_becomes_a_moving_webp_of_bounded_size(tmp_path: Path, clip: Path) -> None:
    report = stylize(clip, tmp_path / "out.webp", SETTINGS)
    with Image.open(tmp_path / "out.webp") as file:
        assert (file.n_frames, file.size) == (report.frames, (96, 64))
    stylize(clip, tmp_path / "best.webp", replace(SETTINGS, crf=0.0))
    assert (tmp_path / "best.webp").stat().st_size > (tmp_path / "out.webp").stat().st_size
    with pytest.raises(ConfigError, match="no meaning for WebP"):
        stylize(clip, tmp_path / "other.webp", replace(SETTINGS, codec="h264"))
    with pytest.raises(OutputError, match="holds one picture"):
        stylize(clip, tmp_path / "out.png", SETTINGS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.webp", "in.mkv", "out.webp"]


def test_one_picture_needs_neither_motion_nor_another_engine(tmp_path: Path, style: str) -> None:
    picture(tmp_path / "in.png", 96, 64)
    results = []
    for consistency in (0.0, 0.7):
        output = tmp_path / f"{consistency}.png"
        report = stylize(tmp_path / "in.png", output, replace(SETTINGS, style=style, consistency=consistency))
        assert report.settings["flow"] == "none" and report.settings["engine"] == "torch"
        results.append(output.read_bytes())
    assert results[0] == results[1]
    with Image.open(io.BytesIO(results[0])) as file:
        assert file.size == (96, 64)
