"""Make examples/clip.mp4: a slow camera move with parallax over one photograph, with sound.

    python examples/make_clip.py PATH/TO/images/land/fields0.jpg

The photograph is images/land/fields0.jpg of the Debian package endless-sky-data, taken from
morguefile.com and in the public domain (the package's copyright file, section images/land/*).
The sound, a breeze and a few soft notes, is computed here.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

WIDTH, HEIGHT, RATE, SECONDS, SOUND_HZ = 640, 336, 24, 3, 44100


def frames(photo: np.ndarray) -> list[np.ndarray]:
    """The camera moves to the right and a little forward; the near ground moves more than the sky."""
    rows, columns = photo.shape[:2]
    x, y = np.meshgrid(np.arange(WIDTH) - WIDTH / 2, np.arange(HEIGHT) - HEIGHT / 2)
    nearness = 1 / (1 + np.exp(-(y / HEIGHT - 0.08) * 9))  # sky 0, horizon in between, ground 1
    made = []
    for index in range(RATE * SECONDS):
        phase = index / (RATE * SECONDS - 1)
        ease = phase * phase * (3 - 2 * phase) - 0.5
        shift = ease * (16 + 70 * nearness)
        zoom = 0.88 - 0.03 * ease * (0.3 + nearness)
        u = columns / 2 + x * zoom + shift
        v = rows / 2 + y * zoom
        where = (u.astype(np.float32), v.astype(np.float32))
        made.append(cv2.remap(photo, *where, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101))
    return made


def sound() -> np.ndarray:
    """Float stereo in [-1, 1], [2, samples]."""
    rng = np.random.default_rng(1)
    samples = SOUND_HZ * SECONDS
    t = np.arange(samples) / SOUND_HZ
    noise = np.fft.rfft(rng.standard_normal((2, samples)))
    hertz = np.fft.rfftfreq(samples, 1 / SOUND_HZ)
    breeze = np.fft.irfft(noise / (1 + (hertz / 350) ** 2), samples)
    mix = 0.08 * breeze / breeze.std() * (0.6 + 0.4 * np.sin(2 * np.pi * t / SECONDS - 1))
    for start, pitch in ((0.1, 523.25), (0.7, 659.25), (1.3, 783.99), (1.9, 1046.5)):
        since = np.clip(t - start, 0, None)
        mix = mix + 0.12 * (t >= start) * np.exp(-3 * since) * np.sin(2 * np.pi * pitch * since)
    fade = np.clip(np.minimum(t, SECONDS - t) / 0.1, 0, 1)
    return (np.clip(mix, -1, 1) * fade).astype(np.float32)


def main(photo: Path, output: Path) -> None:
    """Encode both into `output`."""
    image = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
    with av.open(str(output), "w", options={"movflags": "+faststart"}) as file:
        video = file.add_stream("libx264", rate=RATE, options={"crf": "19", "preset": "slow"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = file.add_stream("aac", rate=SOUND_HZ, layout="stereo")
        file.metadata["title"] = "scenivid example clip"
        file.metadata["comment"] = "from a public-domain photograph, endless-sky-data images/land/fields0.jpg"
        for index, pixels in enumerate(frames(image)):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            file.mux(video.encode(frame))
        file.mux(video.encode())
        wave = av.AudioFrame.from_ndarray(sound(), "fltp", "stereo")
        wave.sample_rate, wave.pts, wave.time_base = SOUND_HZ, 0, Fraction(1, SOUND_HZ)
        fifo = av.AudioFifo()
        fifo.write(wave)
        while (part := fifo.read(1024, partial=True)) is not None:
            file.mux(audio.encode(part))
        file.mux(audio.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("clip.mp4"))
