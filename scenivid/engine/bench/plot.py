"""Cost against pixels as a curve, in SVG: no plotting library, sharp at any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from scenivid.engine.bench.measure import Bench

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 400, 64, 150, 24, 48
_COLOURS = ("#2b7de0", "#8a8f98", "#e08a2e", "#3a9d5d", "#a04fc0", "#c0504d", "#6a7f10", "#555555")
Point = tuple[float, float]


def plot(found: Bench) -> str:
    """Milliseconds of processor time a frame against megapixels, both logarithmic: a whole SVG file."""
    curves: dict[str, list[Point]] = {
        "whole run": [(run.pixels / 1e6, run.ms_per_frame) for run in found.runs],
        "FFmpeg alone": [(run.pixels / 1e6, run.ffmpeg_ms_per_frame) for run in found.runs],
    }
    for timing in found.timings:
        width, height = map(int, timing.size.split("x"))
        curves.setdefault(timing.stage, []).append((width * height / 1e6, timing.ms_per_frame))
    points = [point for curve in curves.values() for point in curve if min(point) > 0]
    left, right = _decades([x for x, _ in points])
    low, high = _decades([y for _, y in points])

    def place(point: Point) -> Point:
        across = math.log10(point[0] / left) / math.log10(right / left)
        up = math.log10(max(point[1], low) / low) / math.log10(high / low)
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
        ' font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for value in _ticks(low, high):
        _, y = place((left, value))
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for run in found.runs:
        x, _ = place((run.pixels / 1e6, low))
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{escape(run.size)}</text>'
        )
    middle = (_WIDTH - _RIGHT + _LEFT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">size, by pixels</text>')
    parts.append(
        f'<text transform="translate(14 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        "processor time a frame, ms</text>"
    )
    for index, (name, curve) in enumerate(curves.items()):
        parts.append(_drawn(name, [place(point) for point in curve], index))
    return "".join([*parts, "</svg>\n"])


def _drawn(name: str, places: Sequence[Point], index: int) -> str:
    colour, heavy = _COLOURS[index % len(_COLOURS)], 2.4 if index == 0 else 1.4
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    y = _TOP + 18 * index
    return (
        f'<polyline fill="none" stroke="{colour}" stroke-width="{heavy}" points="{line}"/>{dots}'
        f'<rect x="{_WIDTH - _RIGHT + 16}" y="{y - 9}" width="12" height="4" fill="{colour}"/>'
        f'<text x="{_WIDTH - _RIGHT + 34}" y="{y}">{escape(name)}</text>'
    )


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of an axis around the values, which are above 0, with a little room."""
    low, high = min(values, default=1.0), max(values, default=10.0)
    return low / 1.3, max(high, low * 1.1) * 1.3


def _ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]
