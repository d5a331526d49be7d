"""`compare`: both pictures whole, in their places, every frame of the shorter one, with A's sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from scenivid.cli import main
from scenivid.errors import InputError, OutputError
from scenivid.video.compare import compare

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
        assert np.abs(one - RED).max() < 12 and np.abs(other - BLUE).max() < 12
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "b.mp4", "out.mp4"}


def test_what_is_there_is_kept_and_a_folder_is_refused(clips: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--overwrite"):
        compare(*clips, output)
    with pytest.raises(OutputError, match="is the input itself"):
        compare(*clips, clips[1], overwrite=True)
    (tmp_path / "frames").mkdir()
    with pytest.raises(InputError, match="frames"):
        compare(clips[0], tmp_path / "frames", tmp_path / "other.mp4")
    assert output.read_bytes() == b"mine"
    compare(*clips, output, overwrite=True)
    assert output.stat().st_size > 1000
