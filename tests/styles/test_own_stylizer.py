"""A style of one's own: what `scenivid.Stylizer` asks for is all that the engine needs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from torch import Tensor

import scenivid


class Darker:
    """Takes the same from every picture; its dial says how much, its state counts frames."""

    card = scenivid.ModelCard(name="darker", architecture="own")
    multiple, radius, bytes_per_pixel = 1, 0, 12.0
    paint_size = ink = None

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength
        self.seen: list[object] = []

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: object, tile: int | None
    ) -> tuple[Tensor, object]:
        self.seen.append(state)
        done = state["frames"] if isinstance(state, dict) else 0
        return image - 0.4 * self.strength, {"frames": done + len(image)}


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """Seven frames of middle grey, lossless."""
    path = tmp_path / "grey.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for index in range(7):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 153, np.uint8), "rgb24")
            frame = picture.reformat(format="bgr0")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("dial", "wanted", "level"),
    [(1.0, 1.0, 51), (0.5, 0.5, 102), (1.0, 0.5, 102), (0.5, 0.25, 127.5)],
    ids=["full", "by its dial", "by a blend", "half of each"],
)
def test_what_the_dial_leaves_is_blended(grey: Path, dial: float, wanted: float, level: float) -> None:
    settings = scenivid.StylizeSettings(
        strength=wanted, consistency=0.0, codec="ffv1", device="cpu", decoder="pyav"
    )
    style = Darker(dial)
    report = scenivid.stylize(grey, grey.with_name("out.mkv"), settings, stylizer=style)
    assert report.frames == 7
    with scenivid.open_video(grey.with_name("out.mkv")) as reader:
        for clip in reader.clips(3):
            assert (clip.pixels.float() - level).abs().max() <= 1


def test_its_state_comes_back_to_it_untouched(grey: Path) -> None:
    style = Darker()
    settings = scenivid.StylizeSettings(codec="ffv1", device="cpu", decoder="pyav", batch=1)
    scenivid.stylize(grey, grey.with_name("out.mkv"), settings, stylizer=style)
    assert style.seen == [None, *({"frames": count} for count in range(1, 7))]
