"""Real servers, as a person starts them, and clips that browsers play."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """One that answers."""

    address: str
    process: subprocess.Popen[str]


@contextmanager
def serving(home: Path, *options: str, paths: Sequence[Path] = ()) -> Iterator[Server]:
    """`scenivid ui` at a free port, stopped in the end.

    Args:
        paths: where its children look for modules first.
    """
    words = [sys.executable, "-m", "scenivid", "ui", "--port", "0", "--home", str(home), "--device", "cpu"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, [*paths, ROOT])),
        "OMP_NUM_THREADS": "1",
    }
    words += options
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"http://\S+/", line):
                    yield Server(found[0], process)
                    break
            else:
                raise AssertionError("".join(said))
        finally:
            process.terminate()
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()


def h264_clip(path: Path, frames: int, size: tuple[int, int] = (160, 96)) -> Path:
    """Moving colour, as browsers play it."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=24, options={"preset": "ultrafast", "threads": "1"})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        y, x = np.mgrid[: size[1], : size[0]]
        for index in range(frames):
            bands = [127 + 120 * np.sin((x + k * y + 3 * index) / (9 + 4 * k)) for k in range(3)]
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.dstack(bands).astype(np.uint8), "rgb24")))
        file.mux(stream.encode())
    return path
