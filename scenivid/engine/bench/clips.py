"""Videos to measure with: a textured picture that pans, with grain, made the same way every time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

_RATE_HZ = 25
_STEP_PX = 3
"""The picture pans by this much a frame at 540 rows, in proportion elsewhere."""


def make_clip(path: Path, height: int, width: int, frames: int) -> Path:
    """Write an H.264 video, 4:2:0, 8 bits, BT.709.

    Args:
        path: ends in .mp4.
        height, width: even.
    """
    step = max(1, round(_STEP_PX * height / 540))
    scene = _scene(height, width + step * frames)
    grain = np.random.default_rng(1).normal(0, 2, (height, width, 1)).astype(np.float32)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=_RATE_HZ, options={"preset": "veryfast", "crf": "18"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        for index in range(frames):
            view = scene[:, step * index : step * index + width] + np.roll(grain, 7 * index, (0, 1))
            picture = np.ascontiguousarray(view.clip(0, 255).astype(np.uint8))
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p", dst_colorspace=1)
            frame.colorspace = frame.color_range = 1
            frame.pts, frame.time_base = index, Fraction(1, _RATE_HZ)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def _scene(height: int, width: int) -> npt.NDArray[np.float32]:
    """Blobs of several sizes with some sharp edges, [H, W, 3], 0..255."""
    random = np.random.default_rng(0)
    scene = np.zeros((height, width, 3), np.float32)
    for size, share in ((height // 3, 90.0), (height // 12, 50.0), (height // 60, 25.0)):
        coarse = random.random((height // max(size, 1) + 2, width // max(size, 1) + 2, 3))
        blobs = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        scene += share * blobs
    scene += 60 * (cv2.GaussianBlur(scene[..., 1], (0, 0), height / 90) > 85)[..., None]
    return scene
