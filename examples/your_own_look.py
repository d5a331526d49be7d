"""Use scenivid's streaming, timing and sound with a look of your own: any function of a frame.

python examples/your_own_look.py examples/clip.mp4 out.mp4
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from scenivid import Clip, WriterSettings, open_video, open_writer
from scenivid.pixels import to_float, to_pixels


def poster(image: torch.Tensor) -> torch.Tensor:
    """Six levels a channel. [N, 3, H, W] in [0, 1]."""
    return (image * 5).round() / 5


source, output = Path(sys.argv[1]), Path(sys.argv[2])
with (
    open_video(source) as reader,
    open_writer(output, reader.info, WriterSettings(overwrite=True)) as writer,
):
    for clip in reader.clips(batch=8):
        styled = to_pixels(poster(to_float(clip.pixels)), writer.dtype)
        writer.write(Clip(styled, clip.pts, clip.durations))
print(f"{output}: {reader.info.width}x{reader.info.height}, decoded by {reader.decoder}")
