"""Steady a network that flickers: here six levels a channel, with light that pumps from frame to frame.

    python examples/steady_any_network.py examples/clip.mp4 flickering.mp4 steady.mp4

A style is anything with these few attributes and a `translate`; the engine does the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid import ModelCard, StylizeSettings, stylize


class Restless:
    """Paints the same scene differently each time, as networks do; the same at each run."""

    card = ModelCard("restless", "lite", description="Six levels a channel, unsteady")
    multiple = 1
    radius = None  # what it does to a pixel depends on the whole frame
    bytes_per_pixel = 64.0
    strength = 1.0
    paint_size = None  # whatever size comes
    ink = None

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: int | None, tile: int | None
    ) -> tuple[Tensor, int]:
        """Frames [N, 3, H, W] in [0, 1] to the same; `state` counts them."""
        number = state or 0
        painted = []
        for picture in image:
            random = torch.Generator().manual_seed(number)
            spots = torch.randn(1, 3, 6, 10, generator=random).to(image)
            pumping = F.interpolate(spots, picture.shape[1:], mode="bicubic")[0]
            painted.append(((picture + 0.06 * pumping) * 5).round() / 5)
            number += 1
        return torch.stack(painted).clamp(0, 1), number


def main() -> None:
    """Without coherence, then with it."""
    source, flickering, steady = map(Path, sys.argv[1:])
    for output, consistency in ((flickering, 0.0), (steady, 0.9)):
        settings = StylizeSettings(consistency=consistency, overwrite=True)
        report = stylize(source, output, settings, stylizer=Restless())
        print(f"{output}: {report.frames} frames at {report.fps:.1f} a second")


if __name__ == "__main__":
    main()
