"""Synthetic motion with exact flow: layers cut from photographs move over each other.

A scene is a background and up to seven foreground layers (blobs, polygons, thin bars, textures
with holes). Every layer has its own smooth map from frame 1 to frame 2 (shift, rotation, zoom,
shear, a little perspective, non-rigid bending); a shared camera motion moves near layers more
than far ones. Frame 2 is then changed as a camera would: exposure, blur, noise, compression.
The ground truth covers every pixel of frame 1, occluded or not. After the idea of FlyingChairs
(Dosovitskiy et al. 2015) and AutoFlow (Sun et al. 2021); the distribution is our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""float32 unless said."""
_NO_MAP: Any = None
"""OpenCV's second map is unused when the first holds (x, y) pairs."""
MARGIN = 64
"""Texture beyond the frame on every side, in pixels, so that motion reveals real content."""


@dataclass(frozen=True)
class MotionRecipe:
    """The distribution of scenes."""

    height: int = 160
    """Pixels, a multiple of 8."""
    width: int = 224
    """Pixels, a multiple of 8."""
    scales_px: tuple[float, ...] = (0.7, 3.0, 10.0, 24.0)
    """Mean length of a layer's shift in each speed class, in pixels."""
    odds: tuple[float, ...] = (0.3, 0.4, 0.24, 0.06)
    """How often each speed class is drawn."""
    layers: int = 7
    """Most foreground layers in a scene."""
    bend: float = 0.2
    """Largest non-rigid displacement, as a share of the layer's shift."""
    effects: bool = True
    """Exposure change, blur, noise, compression and things that are in one frame only."""


@dataclass(frozen=True)
class MotionPair:
    """Two frames and the flow from the first to the second."""

    first: Array
    """RGB in [0, 1], [H, W, 3]."""
    second: Array
    """RGB in [0, 1], [H, W, 3]."""
    flow: Array
    """Flow (u, v) in pixels, [H, W, 2]: first[y, x] shows the same point as second[y + v, x + u]."""


@dataclass(frozen=True)
class _Map:
    """A smooth map from frame 1 to frame 2: a homography and then a bend."""

    matrix: Array
    bend: Array | None


def motion_pair(
    images: list[NDArray[np.uint8]], recipe: MotionRecipe, rng: np.random.Generator
) -> MotionPair:
    """Draw one scene from photographs `images` (RGB uint8 [h, w, 3], any size)."""
    height, width = recipe.height, recipe.width
    grid = _grid(height, width)
    camera = _speed(recipe, rng)
    world = _homography(camera, (width / 2, height / 2), rng)
    ground = _Map(world, _bend(camera * recipe.bend, grid, rng) if rng.random() < 0.6 else None)
    texture = _texture(images, height, width, rng)
    first = _inside(texture)
    second = _fetch(texture, _backward(ground, grid), cv2.BORDER_REFLECT_101)
    flow = _forward(ground, grid) - grid
    for _ in range(int(rng.integers(0, recipe.layers + 1))):
        texture = _texture(images, height, width, rng)
        alpha, centre = _shape(height, width, rng)
        own = _homography(_speed(recipe, rng), centre, rng)
        mode = rng.random()
        if mode < 0.45:  # a thing that moves in a moving view
            own = own @ world
        elif mode < 0.75:  # a still thing nearer to the camera: parallax only
            own = _nearer(world, 1 + float(rng.exponential(0.6)))
        layer = _Map(own, _bend(0.15 * camera, grid, rng) if rng.random() < 0.3 else None)
        back = _backward(layer, grid)
        before = _inside(alpha)[..., None]
        after = _fetch(alpha, back, cv2.BORDER_CONSTANT)[..., None]
        first = first * (1 - before) + _inside(texture) * before
        second = second * (1 - after) + _fetch(texture, back, cv2.BORDER_REFLECT_101) * after
        flow = np.where(before > 0.5, _forward(layer, grid) - grid, flow)
    if recipe.effects:
        first, second = _camera_effects(first, second, rng)
    return _flipped(MotionPair(first, second, flow.astype(np.float32)), rng)


def _grid(height: int, width: int) -> Array:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.dstack([x, y])


def _speed(recipe: MotionRecipe, rng: np.random.Generator) -> float:
    if rng.random() < 0.04:
        return 0.0
    scale = float(rng.choice(recipe.scales_px, p=np.array(recipe.odds) / sum(recipe.odds)))
    return float(min(rng.exponential(scale), 60.0))


def _homography(speed: float, centre: tuple[float, float], rng: np.random.Generator) -> Array:
    """Shift by `speed` px in a random direction, turn and zoom in proportion about `centre`."""
    lively = min(speed, 12.0) / 6
    angle, zoom = rng.normal(0, 0.02 * lively), np.exp(rng.normal(0, 0.018 * lively))
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    core = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    if rng.random() < 0.4:
        core[0, 1] += rng.normal(0, 0.01 * lively)
        core[1, 0] += rng.normal(0, 0.01 * lively)
    if rng.random() < 0.3:
        core[2, :2] = rng.normal(0, 4e-5 * lively, 2)
    direction = rng.uniform(0, 2 * np.pi)
    to_origin, back = np.eye(3), np.eye(3)
    to_origin[:2, 2] = (-centre[0], -centre[1])
    back[:2, 2] = (centre[0] + speed * np.cos(direction), centre[1] + speed * np.sin(direction))
    result: Array = back @ core @ to_origin
    return result


def _nearer(world: Array, factor: float) -> Array:
    """The camera's motion as a nearer layer sees it: the departure from identity, `factor` times."""
    nearer: Array = np.eye(3) + factor * (world / world[2, 2] - np.eye(3))
    return nearer


def _bend(size: float, grid: Array, rng: np.random.Generator) -> Array:
    cells = int(rng.choice([3, 4, 6, 8]))
    field = rng.normal(0, size, (cells, cells, 2)).astype(np.float32)
    bent: Array = cv2.resize(field, (grid.shape[1], grid.shape[0]), interpolation=cv2.INTER_CUBIC)
    return bent


def _project(matrix: Array, points: Array) -> Array:
    x, y = points[..., 0], points[..., 1]
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    u = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / w
    v = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / w
    return np.dstack([u, v]).astype(np.float32)


def _forward(layer: _Map, grid: Array) -> Array:
    """Where each pixel of frame 1 lands in frame 2."""
    moved = _project(layer.matrix, grid)
    return moved if layer.bend is None else moved + layer.bend


def _backward(layer: _Map, grid: Array) -> Array:
    """Where each pixel of frame 2 came from; the bend is undone by fixed-point iteration."""
    inverse = np.linalg.inv(layer.matrix)
    origin = _project(inverse, grid)
    if layer.bend is None:
        return origin
    for _ in range(8):
        bend = cv2.remap(layer.bend, origin, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        origin = _project(inverse, grid - bend)
    return origin


def _inside(canvas: Array) -> Array:
    return canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]


def _fetch(canvas: Array, where: Array, border: int) -> Array:
    fetched: Array = cv2.remap(canvas, where + MARGIN, _NO_MAP, cv2.INTER_LINEAR, borderMode=border)
    return fetched


def _texture(images: list[NDArray[np.uint8]], height: int, width: int, rng: np.random.Generator) -> Array:
    image = images[int(rng.integers(len(images)))]
    target_h, target_w = height + 2 * MARGIN, width + 2 * MARGIN
    zoom = rng.uniform(0.6, 1.4)
    crop_h = int(min(image.shape[0], target_h / zoom))
    crop_w = int(min(image.shape[1], target_w / zoom))
    y = int(rng.integers(image.shape[0] - crop_h + 1))
    x = int(rng.integers(image.shape[1] - crop_w + 1))
    crop = image[y : y + crop_h, x : x + crop_w]
    smaller = crop_h > target_h or crop_w > target_w
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    texture = cv2.resize(crop, (target_w, target_h), interpolation=how).astype(np.float32) / 255
    return texture[:, ::-1] if rng.random() < 0.5 else texture


def _shape(height: int, width: int, rng: np.random.Generator) -> tuple[Array, tuple[float, float]]:
    """An alpha mask on the canvas, and its centre in frame coordinates."""
    mask = np.zeros((height + 2 * MARGIN, width + 2 * MARGIN), np.float32)
    x = rng.uniform(MARGIN * 0.7, width + MARGIN * 1.3)
    y = rng.uniform(MARGIN * 0.7, height + MARGIN * 1.3)
    radius = rng.uniform(8, 70)
    kind = rng.random()
    if kind < 0.3:
        axes = (int(radius), int(radius * rng.uniform(0.3, 1)))
        cv2.ellipse(mask, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, 1.0, -1, cv2.LINE_AA)
    elif kind < 0.7:
        corners = int(rng.integers(3, 13))
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = radius * rng.uniform(0.4, 1, corners)
        points = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], 1)
        cv2.fillPoly(mask, [points.astype(np.int32)], 1.0, cv2.LINE_AA)
    elif kind < 0.9:  # thin structures: branches, poles, wires
        for _ in range(int(rng.integers(1, 4))):
            heading, length = rng.uniform(0, 2 * np.pi), rng.uniform(40, 160)
            end = (int(x + length * np.cos(heading)), int(y + length * np.sin(heading)))
            cv2.line(mask, (int(x), int(y)), end, 1.0, int(rng.integers(2, 10)), cv2.LINE_AA)
    else:  # foliage: a blob with holes
        cv2.ellipse(mask, (int(x), int(y)), (int(radius), int(radius)), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
        noise = cv2.resize(rng.normal(0, 1, (24, 32)).astype(np.float32), mask.shape[::-1], interpolation=2)
        mask *= np.clip(noise * 4 + 1, 0, 1)
    return mask, (x - MARGIN, y - MARGIN)


def _camera_effects(first: Array, second: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Exposure, blur, noise and compression, nearly but not wholly the same for both frames."""
    gain, lift, gamma = rng.uniform(0.7, 1.25), rng.uniform(-0.1, 0.1), rng.uniform(0.8, 1.25)
    tint = rng.uniform(0.88, 1.08, 3)
    change = rng.random() < 0.3
    noise = rng.uniform(0, 0.03) if rng.random() < 0.5 else 0.0
    blur = rng.uniform(0.4, 1.2) if rng.random() < 0.2 else 0.0
    quality = int(rng.integers(30, 90)) if rng.random() < 0.35 else 0
    done = []
    for index, frame in enumerate((first, second)):
        if index and change:
            gain, lift, gamma = gain * rng.uniform(0.9, 1.1), lift + rng.uniform(-0.05, 0.05), gamma
        if blur:
            frame = cv2.GaussianBlur(frame, (0, 0), blur)
        frame = np.clip((frame - 0.5) * gain + 0.5 + lift, 0, 1) ** gamma * tint
        if noise:
            frame = frame + rng.normal(0, noise, frame.shape)
        if quality:
            packed = cv2.imencode(
                ".jpg", (np.clip(frame, 0, 1) * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
            )[1]
            frame = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.float32) / 255
        done.append(np.clip(frame, 0, 1).astype(np.float32))
    first, second = done
    if rng.random() < 0.15:  # something that is in one frame only: no flow can explain it
        size = rng.integers(12, 50, 2)
        y = int(rng.integers(second.shape[0] - size[0]))
        x = int(rng.integers(second.shape[1] - size[1]))
        second[y : y + size[0], x : x + size[1]] = second.mean((0, 1))
    return first, second


def _flipped(pair: MotionPair, rng: np.random.Generator) -> MotionPair:
    first, second, flow = pair.first, pair.second, pair.flow
    if rng.random() < 0.5:
        first, second, flow = first[:, ::-1], second[:, ::-1], flow[:, ::-1] * np.array([-1, 1], np.float32)
    if rng.random() < 0.2:
        first, second, flow = first[::-1], second[::-1], flow[::-1] * np.array([1, -1], np.float32)
    return MotionPair(*(np.ascontiguousarray(part) for part in (first, second, flow)))
