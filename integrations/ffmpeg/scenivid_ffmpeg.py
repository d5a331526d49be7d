"""scenivid inside a graph of ffmpeg-python: what ffmpeg filters goes in, what comes out is filtered on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import ffmpeg
import imageio_ffmpeg

Outputs = Callable[[Any], Any]
"""Makes the rest of the graph, up to its outputs, of the stylized picture."""


def stylize(picture: Any, outputs: Outputs, *, deep: bool = False, **dials: Any) -> None:
    """Run ffmpeg up to `picture`, then scenivid, then ffmpeg for the rest; nothing is written in between.

        source = ffmpeg.input("in.mkv")
        stylize(
            source.video.filter("hqdn3d"),
            lambda painted: ffmpeg.output(painted, source.audio, "out.mkv", vcodec="libx265"),
            style="cel",
        )

    Args:
        picture: a stream of ffmpeg-python.
        outputs: gets the stylized stream; returns what `ffmpeg.output` returns.
        deep: ten bits go in and come out, rather than eight.
        dials: options of `scenivid stylize`: `strength=0.8`, `style_image="a.jpg"`, `overwrite=True`.

    Raises:
        RuntimeError: one of the three has failed; its own words are on the standard error.
    """
    form = "yuv420p10le" if deep else "yuv420p"
    before = ffmpeg.output(picture, "pipe:", format="yuv4mpegpipe", pix_fmt=form, strict=-1)
    after = outputs(ffmpeg.input("pipe:", format="yuv4mpegpipe"))
    commands = [
        _compiled(before, "-nostdin"),
        [sys.executable, "-m", "scenivid", "stylize", "-", "-", "--quiet", *_options(dials)],
        _compiled(after, "-y"),
    ]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            taken = running[-1].stdout if running else subprocess.DEVNULL
            given = subprocess.PIPE if len(running) < 2 else None
            running.append(subprocess.Popen(command, stdin=taken, stdout=given))
            if len(running) > 1:
                running[-2].stdout.close()  # type: ignore[union-attr]  # only the next one reads it
        statuses = [process.wait() for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    names = ("ffmpeg before it", "scenivid", "ffmpeg after it")
    if failed := [name for name, status in zip(names, statuses, strict=True) if status]:
        raise RuntimeError(f"failed: {', '.join(failed)}")


def _compiled(graph: Any, *options: str) -> list[str]:
    program, *rest = ffmpeg.compile(graph, cmd=imageio_ffmpeg.get_ffmpeg_exe())
    return [program, "-v", "error", *options, *rest]


def _options(dials: dict[str, Any]) -> list[str]:
    words = []
    for name, value in dials.items():
        option = f"--{name.replace('_', '-')}"
        words += [option] if value is True else [option, str(value)]
    return words
