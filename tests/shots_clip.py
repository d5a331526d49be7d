"""A small film of several shots, for tests of what happens at cuts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

LENGTHS = (9, 5, 13, 3, 8, 10)
"""Frames of each shot."""
CUTS = (0, 9, 14, 27, 30, 38)
"""Frame with which each begins."""


def make_film(path: Path, codec: str = "libx264", size: tuple[int, int] = (96, 64), times: int = 1) -> Path:
    """Six shots of drifting texture at an uneven rate, with sound; a key frame every five frames or so.

    Args:
        times: how many times as long the shots are.
    """
    width, height = size
    options = {"g": "5", "bf": "2", "preset": "fast"} if codec == "libx264" else {}
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        sound = file.add_stream("aac" if codec == "libx264" else "pcm_s16le", rate=8000, layout="mono")
        number = 0
        for shot, length in enumerate(LENGTHS):
            draw = np.random.default_rng(shot)
            noise = draw.random((height + 40, width + 40, 3), np.float32)
            wide = cv2.GaussianBlur(noise, (0, 0), 2 + shot % 3)
            wide = (wide - wide.min()) / (wide.max() - wide.min()) * 200 + 20 * draw.random(3, np.float32)
            for index in range(length * times):
                shift = (index // times) % 40
                picture = np.ascontiguousarray(wide[shift : shift + height, shift : shift + width])
                frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), "rgb24").reformat(
                    format="yuv420p"
                )
                frame.pts, frame.time_base = 40 * number + 3 * (number % 3), Fraction(1, 1000)
                file.mux(stream.encode(frame))
                heard = av.AudioFrame.from_ndarray(np.full((1, 320), 100 * shot, np.int16), "s16", "mono")
                heard.sample_rate, heard.pts, heard.time_base = 8000, number * 320, Fraction(1, 8000)
                file.mux(sound.encode(heard))
                number += 1
        file.mux(stream.encode())
        file.mux(sound.encode())
    return path
