"""The light of areas, [h, w, 3]: the formulas of `steady` on small arrays."""

from __future__ import annotations

import numpy as np

from scenivid.temporal.plane_tools import mean3
from scenivid.temporal.planes import Plane
from scenivid.temporal.steady import DARK, LEAST_LIGHT, LIGHT, LOOSE, MOST_LIGHT, WIDE


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
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return np.asarray(np.dstack((luma, (blue - luma) / 1.8556, (red - luma) / 1.5748)), np.float32)


def colours(planes: Plane) -> Plane:
    """The inverse of `planes_of`."""
    luma = planes[..., 0]
    blue, red = luma + 1.8556 * planes[..., 1], luma + 1.5748 * planes[..., 2]
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return np.asarray(np.dstack((red, green, blue)), np.float32)
