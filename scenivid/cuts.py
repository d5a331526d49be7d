"""Shot changes found in the stream."""

from __future__ import annotations

import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import ContentDetector

from scenivid.frames import Clip, to_float, to_pixels


class CutDetector:
    """Finds the first frame of each shot, frame by frame, without look-ahead."""

    def __init__(self) -> None:
        self._detector = ContentDetector(min_scene_len=1)
        self._seen = 0

    def cuts(self, clip: Clip) -> list[bool]:
        """True for each frame that begins a shot; the first frame ever does."""
        found = []
        for frame in to_pixels(to_float(clip.pixels)):
            image = np.ascontiguousarray(frame.numpy().transpose(1, 2, 0)[:, :, ::-1])
            hits = self._detector.process_frame(FrameTimecode(self._seen, 25.0), image)
            found.append(self._seen == 0 or bool(hits))
            self._seen += 1
        return found
