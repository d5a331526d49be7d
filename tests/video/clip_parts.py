"""What the clips are made of: pictures that tell which frame they are, sound, subtitles."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

FRAMES = 12
SIZE = (112, 64)
CORNERS = {"red": (175, 105, 95), "green": (105, 155, 110), "blue": (100, 110, 165)}
"""Colours of the top left, top right and bottom left quadrants."""


@dataclass(frozen=True)
class Sound:
    """An audio track."""

    codec: str = "aac"
    layout: str = "stereo"
    language: str | None = None
    rate_hz: int = 48000


def level(index: int) -> int:
    """Grey of the fourth quadrant of frame `index`, 0..255."""
    return 40 + 14 * (index % 14)


def picture(index: int, width: int = SIZE[0], height: int = SIZE[1]) -> npt.NDArray[np.uint8]:
    """RGB [H, W, 3] of frame `index`."""
    image = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    image[:top, :left] = CORNERS["red"]
    image[:top, left:] = CORNERS["green"]
    image[top:, :left] = CORNERS["blue"]
    image[top:, left:] = level(index)
    return image


def index_of(image: npt.NDArray[np.generic]) -> int:
    """Which frame (below 14) an upright [3, H, W] 8-bit picture is."""
    _, height, width = image.shape
    patch = image[:, height * 5 // 8 : height * 7 // 8, width * 5 // 8 : width * 7 // 8]
    return round((float(patch.mean()) - 40) / 14)


def add_sound(container: av.container.OutputContainer, sound: Sound) -> av.AudioStream:
    stream = container.add_stream(sound.codec, rate=sound.rate_hz, layout=sound.layout)
    if sound.language is not None:
        stream.metadata["language"] = sound.language
    return stream


def write_sound(
    container: av.container.OutputContainer, stream: av.AudioStream, sound: Sound, seconds: float
) -> None:
    channels = stream.layout.nb_channels
    step = 1024
    for start in range(0, max(step, int(seconds * sound.rate_hz)), step):
        times = (np.arange(start, start + step) / sound.rate_hz).astype(np.float32)
        wave_form = 0.1 * np.sin(2 * np.pi * 440 * times).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.tile(wave_form, (channels, 1)), "fltp", sound.layout)
        frame.sample_rate, frame.pts, frame.time_base = sound.rate_hz, start, Fraction(1, sound.rate_hz)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def add_subtitles(container: av.container.OutputContainer, kind: str) -> av.subtitles.stream.SubtitleStream:
    return container.add_mux_stream({"srt": "subrip"}.get(kind, kind), time_base=Fraction(1, 1000))


def mov_text(number: int) -> bytes:
    text = f"Line {number}".encode()
    return len(text).to_bytes(2, "big") + text
