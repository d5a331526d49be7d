"""Two videos side by side in one: an FFmpeg filter graph, run by the binary that imageio-ffmpeg brings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from scenivid import aside
from scenivid.errors import InputError, OutputError
from scenivid.video.formats import container_for
from scenivid.video.open import probe


def compare(
    first: Path, second: Path, output: Path, *, stacked: bool = False, overwrite: bool = False
) -> None:
    """Write `first` and `second` beside each other (or stacked), scaled to the size of `first`.

    The output ends with the shorter one and has the sound of `first`.

    Raises:
        InputError: one of the inputs is no video.
        OutputError: the output exists, is one of the inputs, or can't be written.
    """
    for path in (first, second):
        if path.is_dir():
            raise InputError(f"{path} is a folder: compare takes two video files")
        aside.check(output, path, overwrite)
    info = probe(first)
    probe(second)
    container = container_for(output)
    if "h264" not in container.codecs:
        raise OutputError(
            f"{output}: compare writes H.264, which {output.suffix} can't hold; use .mp4 or .mkv"
        )
    width, height = info.width - info.width % 2, info.height - info.height % 2
    # ffmpeg-python takes equal inputs for one node: the queue's size keeps A and B apart if they are equal
    streams = [
        ffmpeg.input(aside.address(path), thread_queue_size=64 + i) for i, path in enumerate((first, second))
    ]
    shown = [
        stream.video.filter("scale", width, height, flags="bicubic").filter("setsar", 1) for stream in streams
    ]
    joined = ffmpeg.filter(shown, "vstack" if stacked else "hstack", inputs=2, shortest=1)
    tracks = [joined, streams[0].audio] if info.audio else [joined]
    part = aside.make_file(output)
    graph = ffmpeg.output(
        *tracks,
        aside.address(part),
        format=container.muxer,
        vcodec="libx264",
        crf=18,
        pix_fmt="yuv420p",
        movflags="+faststart",
        shortest=None,
    )
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-nostdin", *graph.get_args()]
    try:
        with aside.writing(output):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise OutputError(f"{output} can't be written: {reason}")
        aside.publish(part, output, overwrite)
    finally:
        aside.discard(part)
