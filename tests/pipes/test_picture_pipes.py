"""Pictures one after the other, in and out of a pipe."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from piped import PIPE, SETTINGS, Feed
from small_runs import read

from scenivid.engine import stylize
from scenivid.video.open import open_video


def pictures(clip: Path, suffix: str) -> bytes:
    pixels, _ = read(clip)
    encoded = [cv2.imencode(suffix, frame.permute(1, 2, 0).numpy()[..., ::-1])[1] for frame in pixels]
    return b"".join(each.tobytes() for each in encoded)


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".jpg", ".bmp"])
def test_pictures_one_after_the_other_are_frames_of_24_a_second(
    clip: Path, suffix: str, feed: Feed, taken: io.BytesIO
) -> None:
    feed(pictures(clip, suffix))
    with open_video(PIPE) as reader:
        got = list(reader.clips(100))
    assert got[0].pts == tuple(Fraction(index, 24) for index in range(11))
    pixels, _ = read(clip)
    if suffix != ".jpg":
        assert torch.equal(got[0].pixels, pixels)
    feed(pictures(clip, suffix))
    report = stylize(PIPE, PIPE, replace(SETTINGS, fps=Fraction(30)))
    assert report.frames == 11 and b" F30:1 " in taken.getvalue()[:100]


@pytest.mark.parametrize("kind", ["png", "ppm", "jpeg"])
def test_pictures_go_out_as_they_came_in(clip: Path, kind: str, feed: Feed, taken: io.BytesIO) -> None:
    stylize(clip, PIPE, replace(SETTINGS, stream=kind))
    written = taken.getvalue()
    feed(written)
    with open_video(PIPE) as reader:
        (got,) = reader.clips(100)
    pixels, _ = read(clip)
    assert got.pixels.shape == pixels.shape
    assert (got.pixels.int() - pixels.int()).abs().float().mean() <= (4 if kind == "jpeg" else 0)


def test_pictures_of_16_bits_with_transparency_pass_through(feed: Feed, taken: io.BytesIO) -> None:
    deep = np.random.default_rng(0).integers(1, 65535, (2, 20, 30, 4), dtype=np.uint16)
    feed(b"".join(cv2.imencode(".png", frame)[1].tobytes() for frame in deep))
    stylize(PIPE, PIPE, replace(SETTINGS, stream="png"))
    starts = [at for at in range(len(taken.getvalue())) if taken.getvalue()[at : at + 4] == b"\x89PNG"]
    assert len(starts) == 2
    for at, frame in zip(starts, deep, strict=True):
        out = cv2.imdecode(np.frombuffer(taken.getvalue()[at:], np.uint8), cv2.IMREAD_UNCHANGED)
        assert (out == frame).all()


def test_one_picture_in_a_pipe_is_one_picture(tmp_path: Path, feed: Feed) -> None:
    picture = np.full((20, 30, 3), 90, np.uint8)
    feed(cv2.imencode(".png", picture)[1].tobytes())
    stylize(PIPE, tmp_path / "out.png", SETTINGS)
    assert (cv2.imread(str(tmp_path / "out.png")) == picture).all()
