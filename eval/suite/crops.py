"""Crops to look at: source, per-frame result and outputs at one place and time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scenivid.evaluation.lockstep import Window, open_together
from scenivid.pixels import to_pixels
from suite.spec import Look

_COLUMN = 240
"""Pixels that each column of a crop is at least wide; small crops are enlarged by whole pixels."""


@dataclass(frozen=True, eq=False)
class Crop:
    """Source, per-frame result and outputs at one place and time."""

    clip: str
    style: str
    frame: int
    columns: tuple[str, ...]
    picture: Tensor
    """uint8 RGB [H, W, 3], the columns side by side."""


def crop_of(clip: str, style: str, look: Look, videos: dict[str, Path]) -> Crop | None:
    """What each video shows there; None where they end before."""
    with open_together(list(videos.values()), Window(max_frames=look.frame + 1)) as together:
        frames = next((moment.frames for moment in together if moment.index == look.frame), None)
    if frames is None:
        return None
    height, width = frames.shape[-2:]
    top, left = int(look.top * height), int(look.left * width)
    part = frames[..., top : top + int(look.height * height), left : left + int(look.width * width)]
    enlarged = -(-_COLUMN // part.shape[-1])
    part = part.repeat_interleave(enlarged, dim=2).repeat_interleave(enlarged, dim=3)
    picture = to_pixels(torch.cat(list(part), dim=2)).permute(1, 2, 0)
    return Crop(clip, style, look.frame, tuple(videos), picture)
