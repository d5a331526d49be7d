"""No frame is lost without a word, whatever part of a file is damaged."""

from __future__ import annotations

import random
from pathlib import Path

import make_clips
import pytest
from odd_clips import H264, encoded

from scenivid.errors import InputError
from scenivid.video.open import open_video
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.reading.skeleton.walks import structure_of

FRAMES = 30
KINDS: dict[str, tuple[str, ...]] = {
    "h264.mkv": H264,
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
    "vp8.webm": ("-c:v", "libvpx"),
    "h264.ts": H264,
    "mpeg2.ts": ("-c:v", "mpeg2video", "-bf", "2"),
    "h264.mp4": (*H264, "-movflags", "faststart"),
    "mpeg2.mpg": ("-c:v", "mpeg2video", "-bf", "2"),
    "h264.flv": H264,
    "mpeg4.avi": ("-c:v", "mpeg4", "-bf", "2"),
    "mjpeg.avi": ("-c:v", "mjpeg"),
    "theora.ogv": ("-c:v", "libtheora"),
    "plain.gif": (),
    "moving.apng": ("-c:v", "apng", "-vf", "scale=56:32"),
    "prores.mov": ("-c:v", "prores_ks", "-vf", "scale=64:48"),
}


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoded(tmp_path_factory.mktemp("whole") / request.param, *KINDS[request.param])


def damaged(path: Path, target: Path, seed: int) -> Path:
    """Some bytes in the middle zeroed, replaced, left out, or all cut off from there."""
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    size = min(rng.choice([64, 512, 4096]), len(data) // 6)
    at = rng.randrange(len(data) // 10, len(data) - size)
    match seed % 4:
        case 0:
            data[at : at + size] = bytes(size)
        case 1:
            data[at : at + size] = rng.randbytes(size)
        case 2:
            del data[at : at + size]
        case _:
            del data[at:]
    target.write_bytes(data)
    return target


def read(path: Path, how: ReadSettings | None = None) -> tuple[int, tuple[str, ...], int]:
    with open_video(path, how=how) as reader:
        count = sum(map(len, reader.clips(8)))
        return count, reader.notes, reader.frames_lost


def test_a_whole_file_is_not_suspected(whole: Path) -> None:
    assert read(whole, ReadSettings(strict=True)) == (FRAMES, (), 0)


@pytest.mark.parametrize("seed", range(8))
def test_frames_are_never_lost_in_silence(whole: Path, tmp_path: Path, seed: int) -> None:
    path = damaged(whole, tmp_path / f"x{whole.suffix}", seed)
    for on_error in ("stop", "skip"):
        try:
            count, notes, _ = read(path, ReadSettings(on_error=on_error))
        except InputError as exc:
            assert "\n" not in str(exc)
            continue
        assert count >= FRAMES or any("damaged" in note for note in notes)
        if notes:
            with pytest.raises(InputError):
                read(path, ReadSettings(on_error="skip", strict=True))


def test_zeroed_clusters_are_counted(tmp_path: Path) -> None:
    path = encoded(tmp_path / "a.mkv", *H264)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = bytes(4096)
    path.write_bytes(data)
    count, notes, lost = read(path, ReadSettings(on_error="skip"))
    assert count < FRAMES
    assert count + lost == FRAMES
    assert "damaged: the structure of the matroska file is broken" in notes


def test_a_frame_that_cant_be_decoded_is_an_error_or_passed_over(tmp_path: Path) -> None:
    path = make_clips.damaged(tmp_path / "damaged.mp4").path
    with pytest.raises(InputError, match=r"frame 7 of 12 .* --on-error skip"):
        read(path)
    count, notes, lost = read(path, ReadSettings(on_error="skip"))
    assert (count + lost, lost) == (12, 1)
    assert notes[0].startswith("damaged: frame 7 of 12")
    with pytest.raises(InputError, match="damaged"):
        read(path, ReadSettings(on_error="skip", strict=True))


def test_a_file_cut_short_can_be_used_as_far_as_it_goes(tmp_path: Path) -> None:
    path = make_clips.truncated(tmp_path / "cut.mp4").path
    with pytest.raises(InputError, match="--on-error skip"):
        read(path)
    count, _, lost = read(path, ReadSettings(on_error="skip"))
    assert 0 < count < 40
    assert count + lost == 40


@pytest.mark.parametrize("name", ["h264.mkv", "plain.gif", "h264.flv", "theora.ogv", "moving.apng"])
def test_a_skeleton_tells_whole_from_broken(tmp_path: Path, name: str) -> None:
    path = encoded(tmp_path / name, *KINDS[name])
    structure = structure_of(path)
    assert (structure.whole, structure.complete, structure.closed) == (True, True, True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    cut = structure_of(path)
    assert not (cut.complete and cut.closed)
    path.write_bytes(data[: len(data) // 2] + bytes(3000) + data[len(data) // 2 + 3000 :])
    broken = structure_of(path)
    assert not (broken.whole and broken.complete and broken.closed)


def test_a_held_frame_is_no_gap(tmp_path: Path) -> None:
    ticks = (*range(10), *range(16, 26))
    for suffix in (".mp4", ".mkv"):
        made = make_clips.write_clip(tmp_path / f"held{suffix}", ticks=ticks, matrix=1)
        assert read(made.path, ReadSettings(strict=True)) == (20, (), 0)
