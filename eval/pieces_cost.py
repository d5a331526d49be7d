"""What it costs to encode in pieces: CPU time, size and PSNR against one continuous encode.

    python eval/pieces_cost.py CLIP [--codec h264]

The frames are the source's own (style none), so all that differs is the encoding; a style's time comes on top
of both and makes the ratio smaller.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

from scenivid.engine import StylizeSettings, passage, stylize
from scenivid.engine.segments.work import piece_lengths
from scenivid.engine.shots import Pieces
from scenivid.video.open import open_video


def psnr(one: Path, other: Path) -> float:
    """Of two videos' pixels, all together, in dB."""
    errors = []
    with open_video(one) as first, open_video(other) as second:
        for a, b in zip(first.clips(1), second.clips(1), strict=True):
            errors.append(float((a.pixels.float() - b.pixels.float()).square().mean()))
    return float(10 * np.log10(255**2 / np.mean(errors)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--style", default="none")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    settings = StylizeSettings(style=args.style, codec=args.codec, device="cpu", overwrite=True)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, lengths in (("one piece", lambda rate: Pieces(10**9)), ("pieces", piece_lengths)):
            output, times = Path(scratch) / f"{name}.mp4", []
            with mock.patch.object(passage, "piece_lengths", lengths):
                for _ in range(args.repeat):
                    began = time.process_time()
                    stylize(args.clip, output, settings)
                    times.append(time.process_time() - began)
            rows.append((name, min(times), output.stat().st_size, psnr(args.clip, output)))
    print("| | CPU, s | bytes | PSNR to the source, dB |\n|---|---|---|---|")
    for name, seconds, size, quality in rows:
        print(f"| {name} | {seconds:.2f} | {size} | {quality:.2f} |")
    (_, before, small, good), (_, after, large, better) = rows
    print(f"CPU {after / before:.3f}, size {large / small:.4f}, PSNR {better - good:+.3f} dB")


if __name__ == "__main__":
    main()
