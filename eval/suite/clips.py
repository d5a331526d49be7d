"""A suite's clips as folders of lossless frames: cut from a file, or rendered from a photograph."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.evaluation.lockstep import Window, open_together
from scenivid.pixels import to_float, to_pixels
from scenivid.video.reading.pictures.images import read_image
from suite.spec import ClipSpec, Look, StyleSpec, Suite
from suite.synthetic import Scene


@dataclass(frozen=True, eq=False)
class Prepared:
    """A clip as it is stylized."""

    folder: Path
    """Its frames, lossless."""
    scene: Scene | None
    """Where it was rendered."""
    look: Look | None
    """Where a crop is cut."""


def prepare(clip: ClipSpec, spec: StyleSpec, suite: Suite, data: Path, work: Path) -> Prepared:
    """The source as a folder of lossless frames of the wanted number and size."""
    count = spec.frames or clip.frames or suite.frames
    side = spec.long_side or suite.long_side
    folder, scene, look = work / "source", None, clip.look
    if clip.photo:
        picture = to_float(torch.from_numpy(read_image(data / clip.photo))).permute(2, 0, 1)[None]
        assert clip.camera is not None
        size = (side * 9 // 16 // 2 * 2, side)
        scene = Scene(_covering(picture, size), size, count, clip.camera, clip.walker, noise=clip.noise)
        save_frames(folder, (scene.frame(t) for t in range(count)))
        look = look or _behind(scene)
    else:
        window = Window(start=Fraction(clip.start), max_frames=count, long_side=side)
        with open_together([data / clip.path], window) as together:
            save_frames(folder, (moment.frames for moment in together))
    return Prepared(folder, scene, look)


def _covering(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink a large photograph to half as much again as the frame, so that it isn't sampled sparsely."""
    scale = max(1.5 * size[0] / picture.shape[2], 1.5 * size[1] / picture.shape[3])
    if scale >= 1:
        return picture
    target = (round(picture.shape[2] * scale), round(picture.shape[3] * scale))
    return F.interpolate(picture, target, mode="bilinear", antialias=True)


def _behind(scene: Scene) -> Look | None:
    """Just behind the disc, two thirds into the clip."""
    if scene.walker is None:
        return None
    t, (height, width) = 2 * scene.frames // 3, scene.size
    x, y = scene.walker.at(t)[:, 2].tolist()
    vx, vy = scene.walker.pan
    speed = max(1e-6, (vx * vx + vy * vy) ** 0.5)
    reach = scene.radius * height
    left = (x - reach * vx / speed) / width + 0.5 - 0.125
    top = (y - reach * vy / speed) / height + 0.5 - 0.175
    return Look(t, min(0.75, max(0.0, left)), min(0.65, max(0.0, top)))


def save_frames(folder: Path, frames: Iterator[Tensor]) -> None:
    """Lossless 8-bit frames, each [1, 3, H, W]."""
    from PIL import Image

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        pixels = to_pixels(frame)[0].permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(folder / f"{index:05d}.png", compress_level=1)
