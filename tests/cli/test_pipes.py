"""Pipes: what comes through `-` is what comes through files, in both directions."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import torch
from small_runs import read

from scenivid.cli import main
from scenivid.engine import StylizeSettings, stylize
from scenivid.errors import ConfigError, InputError
from scenivid.pixels import Clip
from scenivid.video.info import ColorInfo, VideoInfo
from scenivid.video.open import open_video, probe
from scenivid.video.writing import sinks
from scenivid.video.writing.writer import WriterSettings, open_writer

ROOT = Path(__file__).resolve().parents[2]
PIPE = Path("-")
SETTINGS = StylizeSettings(style="none", device="cpu")
Feed = Callable[[bytes], None]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    """Puts bytes into the standard input, which can't be sought."""
    opened = contextlib.ExitStack()

    def begin(data: bytes) -> None:
        out, into = os.pipe()

        def write() -> None:
            with contextlib.suppress(BrokenPipeError), os.fdopen(into, "wb", buffering=0) as pipe:
                left = memoryview(data)
                while left:  # until no more is wanted
                    left = left[pipe.write(left) :]

        threading.Thread(target=write, daemon=True).start()
        file = opened.enter_context(os.fdopen(out, "rb"))
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file))

    with opened:
        yield begin


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What goes to the standard output."""
    held = io.BytesIO()
    stdout = SimpleNamespace(buffer=held, isatty=lambda: False)
    monkeypatch.setattr(sinks, "sys", SimpleNamespace(stdout=stdout))  # pytest puts its own into sys
    return held


def raw(path: Path, pixel_format: str = "yuv420p", size: tuple[int, int] = (64, 48), frames: int = 9) -> Path:
    """A Y4M of FFmpeg's own making: moving colour."""
    made = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i",
         f"testsrc2=size={size[0]}x{size[1]}:rate=25,hue=s=0.2,gblur=2", "-frames:v", str(frames),
         "-pix_fmt", pixel_format,
         "-strict", "-1", "-f", "yuv4mpegpipe", str(path)],
        stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    assert made.returncode == 0
    return path


@pytest.fixture
def y4m(tmp_path: Path) -> Path:
    return raw(tmp_path / "in.y4m")


def pictures(clip: Path, suffix: str) -> bytes:
    pixels, _ = read(clip)
    encoded = [cv2.imencode(suffix, frame.permute(1, 2, 0).numpy()[..., ::-1])[1] for frame in pixels]
    return b"".join(each.tobytes() for each in encoded)


def samples(data: bytes) -> list[bytes]:
    """The frames of a Y4M without its header, whose spelling differs between programs."""
    return data[data.index(b"\n") + 1 :].split(b"FRAME\n")[1:]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"])
def test_identity_through_pipes_keeps_every_sample(
    tmp_path: Path, pixel_format: str, feed: Feed, taken: io.BytesIO
) -> None:
    source = raw(tmp_path / "in.y4m", pixel_format, frames=3).read_bytes()
    feed(source)
    stylize(PIPE, PIPE, SETTINGS)
    before, after = samples(source), samples(taken.getvalue())
    assert len(before) == len(after) == 3
    deep = "10" in pixel_format
    for one, other in zip(before, after, strict=True):
        a, b = (np.frombuffer(each, np.uint16 if deep else np.uint8).astype(int) for each in (one, other))
        if pixel_format == "yuv420p":  # not even turned into RGB on the way
            assert (a == b).all()
        assert np.abs(a - b).mean() < (3 if deep else 1)


def test_a_style_through_pipes_gives_the_bytes_that_it_gives_through_files(
    tmp_path: Path, y4m: Path, style: str, feed: Feed, taken: io.BytesIO
) -> None:
    settings = replace(SETTINGS, style=style, flow="dis")
    stylize(y4m, tmp_path / "out.y4m", settings)
    feed(y4m.read_bytes())
    report = stylize(PIPE, PIPE, settings)
    assert report.frames == 9
    assert taken.getvalue() == (tmp_path / "out.y4m").read_bytes()
    assert samples(taken.getvalue()) != samples(y4m.read_bytes())


def test_a_pipe_into_a_file_gives_the_bytes_of_a_file_into_a_file(
    tmp_path: Path, y4m: Path, feed: Feed
) -> None:
    stylize(y4m, tmp_path / "file.mp4", SETTINGS)
    feed(y4m.read_bytes())
    stylize(PIPE, tmp_path / "pipe.mp4", SETTINGS)
    assert (tmp_path / "pipe.mp4").read_bytes() == (tmp_path / "file.mp4").read_bytes()


@pytest.mark.parametrize(("start", "duration", "first", "count"), [
    (None, "0.1", 0, 3), ("0.08", None, 2, 7), ("0.08", "0.12", 2, 3), (None, "100", 0, 9),
])  # fmt: skip
def test_a_part_of_a_pipe_is_the_part_of_the_file(
    tmp_path: Path,
    y4m: Path,
    feed: Feed,
    start: str | None,
    duration: str | None,
    first: int,
    count: int,
) -> None:
    part = {
        "start": None if start is None else Fraction(start),
        "duration": None if duration is None else Fraction(duration),
    }
    feed(y4m.read_bytes())
    with open_video(PIPE, **part) as piped, open_video(y4m, **part) as filed:
        one, other = (list(reader.clips(100)) for reader in (piped, filed))
    assert one[0].pts == other[0].pts == tuple(Fraction(index, 25) for index in range(first, first + count))
    assert torch.equal(one[0].pixels, other[0].pixels)


def test_no_more_is_read_from_a_pipe_than_asked_for(tmp_path: Path, y4m: Path, feed: Feed) -> None:
    endless = y4m.read_bytes() + b"".join(b"FRAME\n" + frame for frame in samples(y4m.read_bytes())) * 400
    feed(endless)
    report = stylize(PIPE, tmp_path / "out.y4m", replace(SETTINGS, duration=Fraction(1, 5)))
    assert report.frames == 5


def test_a_part_that_a_pipe_never_reaches_is_an_error(tmp_path: Path, y4m: Path, feed: Feed) -> None:
    feed(y4m.read_bytes())
    with pytest.raises(InputError, match="no frame begins"):
        stylize(PIPE, tmp_path / "out.mp4", replace(SETTINGS, start=Fraction(60)))
    assert [path.name for path in tmp_path.iterdir()] == ["in.y4m"]


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".jpg", ".bmp"])
def test_pictures_one_after_the_other_are_frames_of_24_a_second(
    clip: Path, suffix: str, feed: Feed, taken: io.BytesIO
) -> None:
    feed(pictures(clip, suffix))
    with open_video(PIPE) as reader:
        got = list(reader.clips(100))
    assert got[0].pts == tuple(Fraction(index, 24) for index in range(11))
    pixels, _ = read(clip)
    if suffix != ".jpg":
        assert torch.equal(got[0].pixels, pixels)
    feed(pictures(clip, suffix))
    report = stylize(PIPE, PIPE, replace(SETTINGS, fps=Fraction(30)))
    assert report.frames == 11 and b" F30:1 " in taken.getvalue()[:100]


@pytest.mark.parametrize("kind", ["png", "ppm", "jpeg"])
def test_pictures_go_out_as_they_came_in(clip: Path, kind: str, feed: Feed, taken: io.BytesIO) -> None:
    stylize(clip, PIPE, replace(SETTINGS, stream=kind))
    written = taken.getvalue()
    feed(written)
    with open_video(PIPE) as reader:
        (got,) = reader.clips(100)
    pixels, _ = read(clip)
    assert got.pixels.shape == pixels.shape
    assert (got.pixels.int() - pixels.int()).abs().float().mean() <= (4 if kind == "jpeg" else 0)


def test_pictures_of_16_bits_with_transparency_pass_through(feed: Feed, taken: io.BytesIO) -> None:
    deep = np.random.default_rng(0).integers(1, 65535, (2, 20, 30, 4), dtype=np.uint16)
    feed(b"".join(cv2.imencode(".png", frame)[1].tobytes() for frame in deep))
    stylize(PIPE, PIPE, replace(SETTINGS, stream="png"))
    starts = [at for at in range(len(taken.getvalue())) if taken.getvalue()[at : at + 4] == b"\x89PNG"]
    assert len(starts) == 2
    for at, frame in zip(starts, deep, strict=True):
        out = cv2.imdecode(np.frombuffer(taken.getvalue()[at:], np.uint8), cv2.IMREAD_UNCHANGED)
        assert (out == frame).all()


def test_one_picture_in_a_pipe_is_one_picture(tmp_path: Path, feed: Feed) -> None:
    picture = np.full((20, 30, 3), 90, np.uint8)
    feed(cv2.imencode(".png", picture)[1].tobytes())
    stylize(PIPE, tmp_path / "out.png", SETTINGS)
    assert (cv2.imread(str(tmp_path / "out.png")) == picture).all()


def test_a_frame_rate_is_for_pictures(y4m: Path, feed: Feed) -> None:
    feed(y4m.read_bytes())
    with pytest.raises(ConfigError, match="frame times of its own"):
        stylize(PIPE, Path("out.mp4"), replace(SETTINGS, fps=Fraction(30)))


@pytest.mark.parametrize(
    ("chroma", "depth", "size", "tag"),
    [
        ("420", 8, (63, 47), "420jpeg"),
        ("422", 10, (64, 48), "422p10"),
        ("444", 12, (64, 48), "444p12"),
        ("gray", 8, (64, 48), "420jpeg"),
        ("rgb", 8, (64, 48), "444"),
    ],
)
def test_ffmpeg_reads_what_the_header_says(
    tmp_path: Path, chroma: str, depth: int, size: tuple[int, int], tag: str
) -> None:
    width, height = size
    color = ColorInfo("bt709", True, "bt709", "bt709", True)
    info = VideoInfo(
        tmp_path / "none", width, height, 0, Fraction(4, 3), Fraction(30000, 1001), 2, None, Fraction(0),
        Fraction(1001, 30000), depth, chroma, "x", "x", 0, color, (), 0,
    )  # fmt: skip
    with open_writer(tmp_path / "out.y4m", info, WriterSettings()) as writer:
        most = torch.iinfo(writer.dtype).max
        pixels = torch.full((2, 3, height, width), most // 2, dtype=torch.int32).to(writer.dtype)
        writer.write(Clip(pixels, (Fraction(0), Fraction(1001, 30000))))
    head = (tmp_path / "out.y4m").read_bytes().split(b"\n")[0].decode().split()
    assert f"C{tag}" in head and "F30000:1001" in head and "A4:3" in head and "XCOLORRANGE=FULL" in head
    found = probe(tmp_path / "out.y4m")
    assert (found.width, found.height, found.bit_depth) == (width, height, depth)
    assert found.color.full_range and found.sample_aspect == Fraction(4, 3)
    with av.open(str(tmp_path / "out.y4m")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 2


def test_what_can_not_be_said_in_a_stream_is_a_note(clip: Path, taken: io.BytesIO) -> None:
    report = stylize(clip, PIPE, SETTINGS)  # its frames come at uneven times, but in order
    assert not [note for note in report.notes if "uneven" in note]
    assert report.output == PIPE


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"codec": "h264"}, "no meaning"),
        ({"resume": True}, "--resume is for files"),
        ({"stream": "png", "pixel_format": "yuv420p"}, "no meaning"),
        ({"stream": "avi"}, "must be one of"),
    ],
)
def test_settings_without_sense_are_refused(
    settings: dict[str, Any], says: str, clip: Path, taken: io.BytesIO
) -> None:
    with pytest.raises(ConfigError, match=says):
        stylize(clip, PIPE, replace(SETTINGS, **settings))
    assert not taken.getvalue()


def test_a_terminal_gets_no_video(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    with pytest.raises(ConfigError, match="is a terminal"):
        stylize(clip, PIPE, SETTINGS)


def test_json_and_a_video_never_share_the_standard_output(clip: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["stylize", str(clip), "-", "--style", "none", "--json"])
    assert stopped.value.code == 2


def test_a_pipe_that_nobody_reads_ends_quietly(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out, into = os.pipe()
    os.close(out)
    with os.fdopen(into, "wb", buffering=0) as pipe:
        shut = SimpleNamespace(buffer=pipe, isatty=lambda: False)
        monkeypatch.setattr(sinks, "sys", SimpleNamespace(stdout=shut))
        with pytest.raises(SystemExit) as stopped:
            main(["stylize", str(clip), "-", "--style", "none", "--quiet"])
    assert stopped.value.code == 141
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_scenivid_feeds_ffmpeg(y4m: Path) -> None:
    ours = [
        sys.executable,
        "-m",
        "scenivid",
        "stylize",
        "-",
        "-",
        "--style",
        "none",
        "--duration",
        "0.2",
        "-q",
    ]
    player = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "-", "-f", "framemd5", "-"]
    with (
        y4m.open("rb") as source,
        subprocess.Popen(ours, stdin=source, stdout=subprocess.PIPE, cwd=ROOT) as process,
    ):
        third = subprocess.run(player, stdin=process.stdout, capture_output=True, text=True, check=True)
    assert process.returncode == 0
    assert sum(not line.startswith("#") for line in third.stdout.splitlines()) == 5


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_command(y4m: Path) -> None:
    command = [sys.executable, "-m", "scenivid", "stylize", str(y4m), "-", "--style", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode in (0, 141)  # nine small frames may all fit into the pipe
    assert b"Traceback" not in said and b"BrokenPipe" not in said
