"""Sources for pipes, and what came through one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg

from scenivid.engine import StylizeSettings

PIPE = Path("-")
SETTINGS = StylizeSettings(style="none", device="cpu")
Feed = Callable[[bytes], None]
"""Puts bytes into the standard input."""


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


def samples(data: bytes) -> list[bytes]:
    """The frames of a Y4M without its header, whose spelling differs between programs."""
    return data[data.index(b"\n") + 1 :].split(b"FRAME\n")[1:]
