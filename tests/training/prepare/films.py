"""Little films whose shots are known, for the tests of `train data`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from scenivid.training.prepare.picture import Image

SIZE = (320, 240)
"""Width and height."""


def scene(seed: int, size: tuple[int, int] = SIZE) -> Image:
    """A sharp picture of patches and lines, unlike that of another seed; RGB."""
    rng, (width, height) = np.random.default_rng(seed), size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = rng.integers(70, 200, 3)
    for _ in range(90):
        x, y = rng.integers(0, width), rng.integers(0, height)
        corner = (int(x + rng.integers(10, 70)), int(y + rng.integers(10, 60)))
        cv2.rectangle(image, (int(x), int(y)), corner, [int(v) for v in rng.integers(0, 255, 3)], -1)
    return image


def shot(image: Image, frames: int, soft: Callable[[int], float] = lambda index: 0.0) -> list[Image]:
    """The same picture, moved by a pixel a frame, blurred by `soft` (standard deviation in pixels)."""
    made = []
    for index in range(frames):
        moved = np.roll(image, index, axis=1)
        made.append(cv2.GaussianBlur(moved, (0, 0), soft(index)) if soft(index) else moved)
    return [np.asarray(frame, np.uint8) for frame in made]


def barred(frames: Sequence[Image], bar: int) -> list[Image]:
    """With black bars at the top and the bottom."""
    return [np.pad(frame[bar:-bar], ((bar, bar), (0, 0), (0, 0))) for frame in frames]


def card(
    words: Sequence[str] = ("The sea at night", "a film by nobody"), size: tuple[int, int] = SIZE
) -> Image:
    """White letters on dark blue."""
    image = np.empty((size[1], size[0], 3), np.uint8)
    image[:] = (20, 30, 90)
    for line, text in enumerate(words):
        place = (20, 90 + 70 * line)
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2, cv2.LINE_AA)
    return image


def write_film(path: Path, frames: Sequence[Image], aspect: Fraction | None = None) -> Path:
    """Encode frames at 25 a second, nearly without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"crf": "8", "preset": "ultrafast", "g": "12"}
        )
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if aspect is not None:
            stream.sample_aspect_ratio = aspect
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    return path
