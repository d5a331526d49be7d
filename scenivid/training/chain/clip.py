"""A clip of our own where the user gives none: a slow look across a photograph."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from scenivid.training.data.images import decode, scan

FRAMES = 48
_SIZE = (480, 270)
_ACROSS = 0.12
"""How far the view moves, as a share of the photograph's width."""
_NEARER = 0.12
"""How much nearer it comes."""


def make_clip(photos: Path, folder: Path) -> Path:
    """Write the frames of a look across the largest photograph into `folder`, unless they are there.

    Raises:
        DataError: no usable photograph.
    """
    if len(list(folder.glob("*.png"))) == FRAMES:
        return folder
    entries = [decode(entry) for entry in scan(photos)[:40]]
    photo = np.asarray(max(entries, key=lambda image: min(image.size[0] / 16, image.size[1] / 9)))
    folder.mkdir(parents=True, exist_ok=True)
    height, width = photo.shape[:2]
    fitting = min(width / _SIZE[0], height / _SIZE[1])
    reduced = cv2.GaussianBlur(photo, (0, 0), 0.4 * fitting) if fitting > 1.5 else photo
    for number in range(FRAMES):
        along = number / (FRAMES - 1) - 0.5
        scale = fitting * (1 - _ACROSS) * (1 - _NEARER * (along + 0.5))
        left = width / 2 + along * _ACROSS * width * 0.8 - scale * _SIZE[0] / 2
        top = height / 2 - scale * _SIZE[1] / 2
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        view = cv2.warpAffine(
            reduced,
            matrix,
            _SIZE,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        encoded = cv2.imencode(".png", np.ascontiguousarray(view[..., ::-1]))[1]
        (folder / f"{number:04d}.png").write_bytes(encoded.tobytes())
    return folder
