"""A run that was stopped or killed and taken up again gives the bytes of one that wasn't."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from small_runs import Stop

from scenivid.engine import StylizeSettings, stylize
from scenivid.engine import passage as engine
from scenivid.engine.made import Made
from scenivid.engine.segments.work import open_work, work_folder
from scenivid.engine.shots import Pieces
from scenivid.errors import ConfigError, OutputError
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams

FRAMES, PIECE = 22, 5


SHORT_PIECES = """
import time
from scenivid import cli
from scenivid.engine import passage
from scenivid.engine.segments.work import Work
from scenivid.engine.shots import Pieces

passage.piece_lengths = lambda rate: Pieces(20)
add = Work.add
Work.add = lambda self, *rest: (add(self, *rest), time.sleep(0.3))  # or it may be done before it is killed
cli.main()
"""


def make_clip(
    path: Path, frames: int = FRAMES, pix_fmt: str = "bgr0", size: tuple[int, int] = (96, 64)
) -> Path:
    """Moving colour with two cuts, at an uneven rate, with sound."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        (stream.width, stream.height), stream.pix_fmt = size, pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        sound = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        y, x = np.mgrid[: size[1], : size[0]]
        for index in range(frames):
            shot = index // 9
            bands = [
                127 + 120 * np.sin((x + k * y + 5 * index) / (7 + 3 * k + 4 * shot) + shot) for k in range(3)
            ]
            frame = av.VideoFrame.from_ndarray(np.dstack(bands).astype(np.uint8), "rgb24").reformat(
                format=pix_fmt
            )
            frame.pts, frame.time_base = 40 * index + 3 * (index % 3), Fraction(1, 1000)
            file.mux(stream.encode(frame))
            heard = av.AudioFrame.from_ndarray(np.full((1, 320), index * 100, np.int16), "s16", "mono")
            heard.sample_rate, heard.pts, heard.time_base = 8000, index * 320, Fraction(1, 8000)
            file.mux(sound.encode(heard))
        file.mux(stream.encode())
        file.mux(sound.encode())
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "in.mkv")


@pytest.fixture
def settings(tmp_path: Path) -> StylizeSettings:
    torch.manual_seed(0)
    network = Lite(LiteParams((8, 8, 8), head=8))
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    path = tmp_path / "random.safetensors"
    save_checkpoint(path, network, ModelCard(name="random", architecture="lite", params=vars(network.params)))
    return StylizeSettings(style=str(path), device="cpu", engine="torch")


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "piece_lengths", lambda rate: Pieces(PIECE))


def stopping_at(frame: int) -> Callable[[int, int | None], None]:
    def tell(done: int, expected: int | None) -> None:
        if done == frame:
            raise Stop

    return tell


def stop(clip: Path, output: Path, settings: StylizeSettings, frame: int) -> None:
    with pytest.raises(Stop):
        stylize(clip, output, settings, stopping_at(frame))
    assert not output.exists()


@pytest.mark.parametrize("frame", [3, 5, 8, 10, 16, 22])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_stopped_run_gives_the_bytes_of_an_uninterrupted_one(
    clip: Path, settings: StylizeSettings, name: str, frame: int
) -> None:
    whole, parts = clip.with_name(f"whole-{name}"), clip.with_name(name)
    stylize(clip, whole, settings)
    resuming = replace(settings, resume=True)
    stop(clip, parts, resuming, frame)
    assert work_folder(parts).exists() == (frame >= PIECE)
    told: list[int] = []
    report = stylize(clip, parts, resuming, lambda done, _: told.append(done))
    assert parts.read_bytes() == whole.read_bytes()
    assert report.frames == FRAMES and told[0] == frame // PIECE * PIECE + 1
    assert sorted(path.name for path in clip.parent.iterdir()) == sorted(
        ["in.mkv", "random.safetensors", name, f"whole-{name}"]
    )


def test_twice_stopped_deep_video_with_b_frames(tmp_path: Path, settings: StylizeSettings) -> None:
    # x265 doesn't give the same bytes twice for pictures as small as the other tests'.
    clip = make_clip(tmp_path / "deep.mkv", pix_fmt="yuv420p10le", size=(320, 180))
    settings = replace(settings, codec="hevc", pixel_format="yuv420p10le", preset="medium")
    stylize(clip, tmp_path / "whole.mp4", settings)
    resuming = replace(settings, resume=True)
    for frame in (7, 17):
        stop(clip, tmp_path / "parts.mp4", resuming, frame)
    stylize(clip, tmp_path / "parts.mp4", resuming)
    assert (tmp_path / "parts.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_a_folder_of_frames_goes_on_too(clip: Path, settings: StylizeSettings) -> None:
    whole, parts = clip.with_name("whole"), clip.with_name("parts")
    stylize(clip, whole, settings)
    resuming = replace(settings, resume=True)
    stop(clip, parts, resuming, 13)
    stylize(clip, parts, resuming)
    names = sorted(path.name for path in whole.iterdir())
    assert len(names) == FRAMES and names == sorted(path.name for path in parts.iterdir())
    assert all((parts / name).read_bytes() == (whole / name).read_bytes() for name in names)


def test_without_resume_a_stop_leaves_nothing(clip: Path, settings: StylizeSettings) -> None:
    before = sorted(clip.parent.iterdir())
    stop(clip, clip.with_name("out.mp4"), settings, 17)
    assert sorted(clip.parent.iterdir()) == before


def test_what_a_killed_run_left_is_removed_by_a_run_that_doesnt_resume(
    clip: Path, settings: StylizeSettings
) -> None:
    output = clip.with_name("out.mp4")
    stop(clip, output, replace(settings, resume=True), 12)
    assert work_folder(output).is_dir()
    told: list[int] = []
    stylize(clip, output, settings, lambda done, _: told.append(done))
    assert told[0] == 1 and not work_folder(output).exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [({"strength": 0.5}, "strength was 1.0, is 0.5"), ({"crf": 20.0}, "crf was None, is 20.0")],
)
def test_other_settings_dont_mix(
    clip: Path, settings: StylizeSettings, change: dict[str, float], says: str
) -> None:
    output, resuming = clip.with_name("out.mp4"), replace(settings, resume=True)
    stop(clip, output, resuming, 12)
    with pytest.raises(ConfigError, match=says):
        stylize(clip, output, replace(resuming, **change))
    stylize(clip, output, resuming)  # nothing was lost


def test_another_source_or_model_doesnt_mix(clip: Path, settings: StylizeSettings) -> None:
    output, resuming = clip.with_name("out.mp4"), replace(settings, resume=True)
    stop(clip, output, resuming, 12)
    style = Path(settings.style)
    held = style.read_bytes()
    network = Lite(LiteParams((8, 8, 8), head=8))
    save_checkpoint(
        style, network, ModelCard(name="random", architecture="lite", params=vars(network.params))
    )
    with pytest.raises(ConfigError, match="weights have changed"):
        stylize(clip, output, resuming)
    style.write_bytes(held)
    make_clip(clip, FRAMES - 1)
    with pytest.raises(ConfigError, match="the source has changed"):
        stylize(clip, output, resuming)


def test_a_damaged_piece_is_said(clip: Path, settings: StylizeSettings) -> None:
    output, resuming = clip.with_name("out.mp4"), replace(settings, resume=True)
    stop(clip, output, resuming, 12)
    data = work_folder(output) / "000001.data"
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(OutputError, match=r"piece 1 has changed.*begin again without --resume"):
        stylize(clip, output, resuming)
    assert not output.exists()


def test_two_runs_dont_write_one_output(tmp_path: Path) -> None:
    made = Made("a", "b", {})
    with (
        open_work(tmp_path / "out.mp4", made, resume=True),
        pytest.raises(OutputError, match="another run is writing"),
        open_work(tmp_path / "out.mp4", made, resume=True),
    ):
        pass


@pytest.mark.slow
def test_killed_three_times_and_resumed_gives_the_same_bytes(
    tmp_path: Path, settings: StylizeSettings
) -> None:
    clip = make_clip(tmp_path / "long.mkv", 160)
    output = tmp_path / "out.mp4"
    command = [
        sys.executable,
        "-c",
        SHORT_PIECES,
        "stylize",
        str(clip),
        str(output),
        "--style",
        settings.style,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command[:-3], str(tmp_path / "whole.mp4"), *command[-2:]], check=True, env=environment)
    journal = work_folder(output) / "journal.json"
    for pieces in (1, 2, 3):
        process = subprocess.Popen([*command, "--resume"], env=environment)
        limit = time.monotonic() + 120
        while time.monotonic() < limit and process.poll() is None:
            if journal.exists() and journal.read_text().count('"number"') >= pieces:
                break
            time.sleep(0.005)
        process.kill()
        process.wait()
        assert not output.exists()
    subprocess.run([*command, "--resume"], check=True, env=environment)
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not work_folder(output).exists()
