"""Peak memory of stylize on a short and on a long clip: it must not grow with length.

    python eval/memory.py [--frames 300 3000] [--size 640x360] [stylize options …]

Each run is a process of its own; prints a Markdown table with the peak resident set size.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RUN = """
import resource, sys
from scenivid.cli import _run
status = _run(sys.argv[1:], debug=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""


def make_clip(path: Path, frames: int, width: int, height: int) -> None:
    """Drifting soft noise, H.264, 25 frames a second."""
    base = np.random.default_rng(0).random((height // 8, width // 8 + frames // 4 + 2, 3)) * 255
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            part = base[:, index // 4 : index // 4 + width // 8].astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(part.repeat(8, 0).repeat(8, 1), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--size", default="640x360")
    known, options = parser.parse_known_args()
    width, height = (int(side) for side in known.size.split("x"))
    print(f"| frames at {width}x{height} | peak RSS, MB | ratio |\n|---|---|---|")
    first = None
    with tempfile.TemporaryDirectory() as folder:
        for frames in known.frames:
            clip, output = Path(folder) / f"{frames}.mp4", Path(folder) / f"{frames}-out.mp4"
            make_clip(clip, frames, width, height)
            words = ["stylize", str(clip), str(output), *options]
            done = subprocess.run(
                [sys.executable, "-c", RUN, *words], check=True, capture_output=True, text=True
            )
            peak = int(done.stdout.split()[-1]) / 1024
            first = first or peak
            print(f"| {frames} | {peak:.0f} | {peak / first:.3f} |", flush=True)


if __name__ == "__main__":
    main()
