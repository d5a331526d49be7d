"""The light of areas, [h, w, 3]: the formulas of `steady` on small arrays."""

from __future__ import annotations

import numpy as np

from scenivid.temporal.plane_tools import cv, mean3
from scenivid.temporal.planes import Plane
from scenivid.temporal.steady import DARK, LEAST_LIGHT, LIGHT, LOOSE, MOST_LIGHT, WIDE

_LUMA = (0.2126, 0.7152, 0.0722)
_PLANES = np.array(
    [
        _LUMA,
        [(share - part) / 1.8556 for share, part in zip((0, 0, 1), _LUMA, strict=True)],
        [(share - part) / 1.5748 for share, part in zip((1, 0, 0), _LUMA, strict=True)],
    ],
    np.float32,
)
COLOURS = np.linalg.inv(_PLANES.astype(np.float64)).astype(np.float32)
"""Luma, Cb and Cr of BT.709 to RGB, [3, 3]."""


def light_gain(light: Plane, reference: Plane, confidence: Plane) -> Plane:
    """As `steady._light_gain`; RGB [h, w, 3] and confidence [h, w] to [h, w, 3]."""
    weight = confidence + np.float32(1e-3)
    now, before, total = light * weight[..., None], reference * weight[..., None], weight
    for _ in range(WIDE):
        now, before, total = mean3(now), mean3(before), mean3(total)
    dark = np.float32(DARK)
    change = (now / total[..., None] + dark) / (before / total[..., None] + dark) - 1
    followed: Plane = np.clip(change, -MOST_LIGHT, MOST_LIGHT)
    followed = followed - np.clip(change, -LEAST_LIGHT, LEAST_LIGHT)
    return np.asarray(1 + followed, np.float32)


def same_light(light: Plane, before: Plane) -> Plane:
    """As `steady._same_light`; RGB [h, w, 3] to [h, w]."""
    error = np.abs(light - before).mean(axis=2)
    steep = np.zeros_like(error)
    steep[:, :-1] += np.square(light[:, 1:] - light[:, :-1]).sum(axis=2)
    steep[:-1] += np.square(light[1:] - light[:-1]).sum(axis=2)
    slope = mean3(np.sqrt(steep / 3))
    excess = np.maximum(error - slope * np.float32(LOOSE), 0)
    return np.asarray(np.exp(-np.square(excess / np.float32(LIGHT))), np.float32)


def planes_of(image: Plane) -> Plane:
    """RGB to luma, Cb and Cr of BT.709, [h, w, 3]."""
    planes: Plane = cv.transform(image, _PLANES)
    return planes


def colours(planes: Plane) -> Plane:
    """The inverse of `planes_of`."""
    image: Plane = cv.transform(planes, COLOURS)
    return image
