"""Runs of the engine on a small clip, and a style that fails."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from scenivid.engine import StylizeSettings, stylize
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams
from scenivid.video.open import open_video

IDENTITY = StylizeSettings(style="none", codec="ffv1", device="cpu")
FRAMES = 11


class Stop(Exception):
    """Raised by a test in the middle of a run."""


def make_clip(path: Path) -> Path:
    """Eleven frames of moving colour, lossless, with an uneven rate."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "bgr0"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        y, x = np.mgrid[:64, :96]
        for index in range(FRAMES):
            bands = [127 + 120 * np.sin((x + k * y + 5 * index) / (7 + 3 * k)) for k in range(3)]
            frame = av.VideoFrame.from_ndarray(np.dstack(bands).astype(np.uint8), "rgb24").reformat(
                format="bgr0"
            )
            frame.pts, frame.time_base = 40 * index + 3 * (index % 3), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def random_style(folder: Path, params: LiteParams) -> str:
    """A lite network with random weights: it changes pictures visibly, and depends on its surroundings."""
    network = Lite(params)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    path = folder / "random.safetensors"
    save_checkpoint(path, network, ModelCard(name="random", architecture="lite", params=vars(params)))
    return str(path)


def random_settings(folder: Path) -> StylizeSettings:
    """A small network with random weights, by torch in full precision on the CPU."""
    torch.manual_seed(0)
    style = random_style(folder, LiteParams((8, 8, 8), head=8))
    return StylizeSettings(style=style, device="cpu", engine="torch", precision="fp32")


def read(path: Path) -> tuple[Tensor, list[Fraction]]:
    with open_video(path) as reader:
        clips = list(reader.clips(4))
    return torch.cat([clip.pixels for clip in clips]), [pts for clip in clips for pts in clip.pts]


def run(clip: Path, name: str, settings: StylizeSettings) -> tuple[Tensor, list[Fraction]]:
    output = clip.with_name(name)
    stylize(clip, output, settings)
    return read(output)


class Failing:
    """A style that breaks at its second call."""

    card = ModelCard(name="failing", architecture="lite")
    multiple, radius, bytes_per_pixel, strength, paint_size, ink = 1, 0, 1.0, 1.0, None, None

    def __init__(self, error: BaseException) -> None:
        self.error, self.calls = error, 0

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: None, tile: int | None
    ) -> tuple[Tensor, None]:
        self.calls += 1
        if self.calls > 1:
            raise self.error
        return image, None
