"""`compare`: both pictures whole, in their places, every frame of the shorter one, with A's sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenivid.cli import main
from scenivid.errors import InputError, OutputError
from scenivid.pixels import to_float
from scenivid.video.compare import compare
from scenivid.video.open import open_video
from scenivid.video.tonemap import tonemap

RED, BLUE = (200, 30, 30), (30, 30, 200)


def _clip(path: Path, colour: tuple[int, int, int], frames: int, size: tuple[int, int], sound: bool) -> Path:
    """A flat video at 25 frames a second; `size` is width and height."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=25, options={"crf": "10"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        if sound:
            audio = file.add_stream("aac", rate=16000)
        for index in range(frames):
            pixels = np.full((size[1], size[0], 3), colour, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(video.encode(frame))
        file.mux(video.encode())
        if sound:
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 640 * frames), np.float32), "flt", "mono")
            heard.sample_rate = 16000
            file.mux(audio.encode(heard))
            file.mux(audio.encode())
    return path


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Path, Path]:
    """Red with sound, 12 frames of 64×48; blue, 9 frames of 128×96."""
    return (
        _clip(tmp_path / "a.mp4", RED, 12, (64, 48), sound=True),
        _clip(tmp_path / "b.mp4", BLUE, 9, (128, 96), sound=False),
    )


@pytest.mark.parametrize("stacked", [False, True], ids=["beside", "stacked"])
def test_the_command_puts_b_beside_or_below_a(
    clips: tuple[Path, Path], tmp_path: Path, stacked: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    with pytest.raises(SystemExit) as stopped:
        main(["compare", *map(str, clips), str(output), *(["--stacked"] if stacked else [])])
    assert stopped.value.code == 0 and str(output) in capsys.readouterr().out
    with av.open(str(output)) as file:
        assert [stream.codec.name for stream in file.streams.audio] == ["aac"]
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(pictures) == 9
    assert {picture.shape for picture in pictures} == {(96, 64, 3) if stacked else (48, 128, 3)}
    for picture in pictures:
        one, other = np.array_split(picture.astype(int), 2, axis=0 if stacked else 1)
        if not stacked:  # 4:2:0 chroma of the seam is of both
            one, other = one[:, :-2], other[:, 2:]
        assert np.abs(one - RED).max() < 12 and np.abs(other - BLUE).max() < 12
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "b.mp4", "out.mp4"}


def test_nothing_but_the_video_goes_to_the_standard_output(
    clips: tuple[Path, Path], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["compare", *map(str, clips), "-"])
    head, *frames = capfdbinary.readouterr().out.split(b"FRAME\n")
    assert head.startswith(b"YUV4MPEG2 W128 H48 ")
    assert [len(frame) for frame in frames] == [128 * 48 * 3 // 2] * 9


def test_what_is_there_is_kept_and_a_folder_is_refused(clips: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--overwrite"):
        compare(*clips, output)
    with pytest.raises(OutputError, match="is the input itself"):
        compare(*clips, clips[1], overwrite=True)
    (tmp_path / "frames").mkdir()  # an empty one
    with pytest.raises(InputError, match="frames"):
        compare(clips[0], tmp_path / "frames", tmp_path / "other.mp4")
    assert output.read_bytes() == b"mine"
    compare(*clips, output, overwrite=True)
    assert output.stat().st_size > 1000


def _variable(path: Path, ticks: tuple[int, ...], codec: str = "libx264", **tags: int) -> Path:
    """Greys at `ticks` milliseconds; `tags` are the encoder's."""
    with av.open(str(path), "w") as file:
        options = {"x265-params": "log-level=none"} if codec == "libx265" else {"crf": "8"}
        video = file.add_stream(codec, rate=1000, options=options)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p10le" if tags else "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        for name, value in tags.items():
            setattr(video.codec_context, name, value)
        for index, tick in enumerate(ticks):
            pixels = np.full((48, 64, 3), 60 + 10 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            file.mux(video.encode(frame))
        file.mux(video.encode())
    return path


def _times(path: Path) -> list[Fraction]:
    with open_video(path) as reader:
        return [pts for clip in reader.clips(5) for pts in clip.pts]


def test_every_frame_of_both_is_shown_at_its_time(tmp_path: Path) -> None:
    one = _variable(tmp_path / "a.mp4", (0, 40, 90, 100, 250, 500, 501))
    other = _variable(tmp_path / "b.mkv", (0, 40, 91, 180, 250, 700))
    compare(one, other, tmp_path / "out.mp4")
    assert [float(time) for time in _times(tmp_path / "out.mp4")] == [
        pytest.approx(n / 1000, abs=0.0021) for n in (0, 40, 90, 100, 180, 250, 500, 501)
    ]


def test_a_video_beside_itself_keeps_its_frames_and_times(tmp_path: Path) -> None:
    ticks = (0, 40, 90, 100, 250, 283, 317, 500, 501, 740)
    made = _variable(tmp_path / "a.mp4", ticks)
    compare(made, made, tmp_path / "out.mp4")
    assert _times(tmp_path / "out.mp4") == _times(made) == [Fraction(tick, 1000) for tick in ticks]


def test_hdr_is_tone_mapped_as_for_styles(tmp_path: Path) -> None:
    hdr10 = {"colorspace": 9, "color_primaries": 9, "color_trc": 16}
    made = _variable(tmp_path / "a.mp4", (0, 40, 80), "libx265", **hdr10)
    notes = compare(made, _variable(tmp_path / "b.mp4", (0, 40, 80)), tmp_path / "out.mkv")
    assert any("tone-mapped" in note for note in notes)
    with open_video(made, "pyav") as reader, open_video(tmp_path / "out.mkv", "pyav") as joined:
        (source,), (shown,) = reader.clips(100), joined.clips(100)
        wanted = to_float(tonemap(source, reader.info).pixels)
        found = to_float(shown.pixels)[..., : reader.info.width]
        assert found.shape == wanted.shape
        assert float((found - wanted).abs().mean()) * 255 <= 3


def test_folders_of_frames_can_be_compared(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(3):
            cv2.imwrite(str(tmp_path / name / f"{index}.png"), np.full((48, 64, 3), 40 * index, np.uint8))
    compare(tmp_path / "a", tmp_path / "b", tmp_path / "out.mp4")
    assert len(_times(tmp_path / "out.mp4")) == 3
