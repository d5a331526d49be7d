"""What is refused at a pipe's end, and what happens where the other side goes away."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imageio_ffmpeg
import pytest
from piped import PIPE, SETTINGS

from scenivid.cli import main
from scenivid.engine import stylize
from scenivid.errors import ConfigError
from scenivid.video.writing import sinks

ROOT = Path(__file__).resolve().parents[2]


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
