"""Faces, for data sets of landscapes: how much of a picture they take. YuNet, in OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from scenivid.errors import CheckpointError
from scenivid.training.prepare.picture import Image
from scenivid.weights.catalogue import YUNET
from scenivid.weights.published import load_published

Faces = Callable[[Image], float]
"""RGB [h, w, 3] to the share of its area that faces take, 0..1."""
_SURE = 0.7


def open_faces(weights: Path | None = None) -> Faces:
    """YuNet (Wu et al. 2023), trained on photographs: of drawn faces it finds some.

    Args:
        weights: its ONNX file; None takes the cache, or fetches the published one.

    Raises:
        CheckpointError: the file can't be had, or is another network's.
    """
    detector = load_published(YUNET, _load, weights=weights)[1]

    def share(image: Image) -> float:
        height, width = image.shape[:2]
        detector.setInputSize((width, height))
        found: Any = detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        if found is None:
            return 0.0
        area = (found[:, 2] * found[:, 3]).sum() / (height * width)
        return min(1.0, float(area))

    return share


def _load(path: Path) -> cv2.FaceDetectorYN:
    try:
        return cv2.FaceDetectorYN.create(str(path), "", (320, 320), _SURE)
    except cv2.error as exc:
        raise CheckpointError(f"{path} is not YuNet's ONNX file") from exc
