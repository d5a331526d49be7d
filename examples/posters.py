"""Draw screen-printed posters of dusk: a look of five inks, to try `scenivid styles learn` with.

python examples/posters.py posters
scenivid styles learn posters --name dusk
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

INK, TEAL, PINK, PEACH, CREAM = "#1d1638", "#14616b", "#e8476f", "#ff9f80", "#ffe6c4"
COUNT, WIDTH, HEIGHT, OVER = 10, 960, 640, 2
"""Posters, their size in pixels, and by how much they are drawn larger."""
Random = np.random.Generator


def poster(number: int) -> Image.Image:
    """One poster; the same for the same number."""
    random = np.random.default_rng(number)
    page = Image.new("RGB", (OVER * WIDTH, OVER * HEIGHT), CREAM)
    pen = ImageDraw.Draw(page)
    horizon = int(page.height * random.uniform(0.5, 0.68))
    _sky(pen, random, page.width, horizon)
    for share, ink in zip((0.34, 0.2), (PEACH, PINK) if number % 2 else (PINK, TEAL), strict=True):
        _ridge(pen, random, page, horizon, share, ink)
    if number % 3 == 0:
        _water(pen, random, page, horizon)
    else:
        _ridge(pen, random, page, horizon + page.height // 9, 0.12, TEAL)
        _ridge(pen, random, page, horizon + page.height // 4, 0.1, INK)
    (_town, _wood)[number % 2](pen, random, page, horizon)
    return _printed(page.resize((WIDTH, HEIGHT), Image.Resampling.BOX), random)


def _sky(pen: ImageDraw.ImageDraw, random: Random, width: int, horizon: int) -> None:
    """Bands of flat colour, a sun, long flat clouds."""
    edges = np.sort(random.uniform(0.1, 0.9, 3)) * horizon
    for ink, top, bottom in zip((TEAL, PINK, PEACH, CREAM), (0, *edges), (*edges, horizon), strict=True):
        pen.rectangle((0, int(top), width, int(bottom)), ink)
    middle, radius = random.uniform(0.2, 0.8) * width, random.uniform(0.12, 0.24) * horizon
    level = horizon - radius * random.uniform(0.3, 1.6)
    pen.ellipse((middle - radius, level - radius, middle + radius, level + radius), CREAM)
    for _ in range(6):
        x, y = random.uniform(0, width), random.uniform(0.08, 0.75) * horizon
        length, thick = random.uniform(0.1, 0.3) * width, random.uniform(0.015, 0.04) * horizon
        ink = (PEACH, CREAM, PINK)[int(random.integers(3))]
        for step in range(3):
            inset = 0.18 * step * length
            pen.rounded_rectangle(
                (x + inset, y - step * thick, x + length - inset, y + thick - step * thick), thick / 2, ink
            )


def _ridge(
    pen: ImageDraw.ImageDraw, random: Random, page: Image.Image, level: int, share: float, ink: str
) -> None:
    """Mountains or hills: a broken line, filled below; one side of each peak in another ink."""
    count = int(random.integers(5, 10))
    x = np.linspace(-0.1, 1.1, 2 * count + 1) * page.width
    x[1:-1] += random.uniform(-0.02, 0.02, len(x) - 2) * page.width
    height = random.uniform(0.35, 1, len(x)) * share * page.height
    height[::2] *= 0.35
    line = [(float(a), float(level - b)) for a, b in zip(x, height, strict=True)]
    pen.polygon([(line[0][0], page.height), *line, (line[-1][0], page.height)], ink)
    lit = {PEACH: CREAM, PINK: PEACH, TEAL: PINK, INK: TEAL}[ink]
    for left, peak in zip(line[::2], line[1::2], strict=False):
        foot = (peak[0] - 0.12 * (peak[0] - left[0]), left[1])
        middle = ((left[0] + peak[0]) / 2, (left[1] + peak[1]) / 2 + 0.012 * page.height)
        pen.polygon([peak, middle, foot], lit)


def _water(pen: ImageDraw.ImageDraw, random: Random, page: Image.Image, horizon: int) -> None:
    """A flat sea with bars of light."""
    pen.rectangle((0, horizon, page.width, page.height), TEAL)
    for _ in range(60):
        y = horizon + (page.height - horizon) * random.uniform(0, 1) ** 1.5
        near = (y - horizon) / (page.height - horizon) + 0.1
        x, length = random.uniform(0, page.width), near * random.uniform(0.05, 0.2) * page.width
        ink = (PINK, PEACH, INK, INK)[int(random.integers(4))]
        pen.rectangle((x, y, x + length, y + 0.012 * near * page.height), ink)


def _town(pen: ImageDraw.ImageDraw, random: Random, page: Image.Image, horizon: int) -> None:
    """A row of houses in ink, some windows lit."""
    x, base = 0.0, horizon + 0.16 * page.height
    while x < page.width:
        wide, tall = random.uniform(0.03, 0.09) * page.width, random.uniform(0.08, 0.3) * page.height
        pen.rectangle((x, base - tall, x + wide, page.height), (INK, TEAL)[int(random.random() < 0.25)])
        if random.random() < 0.5:
            pen.polygon([(x, base - tall), (x + wide / 2, base - 1.25 * tall), (x + wide, base - tall)], INK)
        side = 0.011 * page.width
        for left in np.arange(x + side, x + wide - side, 2 * side):
            for top in np.arange(base - tall + side, base, 2.4 * side):
                if random.random() < 0.22:
                    pen.rectangle(
                        (left, top, left + side, top + 1.3 * side),
                        (PEACH, CREAM, PINK)[int(random.integers(3))],
                    )
        x += wide * random.uniform(0.9, 1.3)


def _wood(pen: ImageDraw.ImageDraw, random: Random, page: Image.Image, horizon: int) -> None:
    """Pines in ink, larger and lower in front."""
    for near in np.sort(random.uniform(0.3, 1, 16)):
        x, base = random.uniform(0, page.width), horizon + near * (page.height - horizon) * 1.1
        tall = near * random.uniform(0.25, 0.5) * page.height
        ink = INK if near > 0.5 else TEAL
        pen.rectangle((x - 0.02 * tall, base - tall, x + 0.02 * tall, base), ink)
        for step in range(5):
            top = base - tall * (1 - 0.17 * step)
            wide = tall * (0.07 + 0.045 * step)
            pen.polygon([(x, top), (x - wide, top + 0.26 * tall), (x + wide, top + 0.26 * tall)], ink)


def _printed(page: Image.Image, random: Random) -> Image.Image:
    """A little grain of paper and ink."""
    pixels: NDArray[np.float64] = np.asarray(page, np.float64)
    coarse = random.normal(0, 1, (HEIGHT // 2, WIDTH // 2)).repeat(2, 0).repeat(2, 1)
    pixels = pixels + 2.5 * coarse[..., None] + random.normal(0, 1.5, (HEIGHT, WIDTH, 1))
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def main(folder: Path) -> None:
    """Write the posters."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        poster(number).save(folder / f"poster{number}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "posters"))
