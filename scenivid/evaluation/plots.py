"""Line charts as inline SVG: no plotting library, no script, sharp at any size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = {"source": "#8a8f98", "per_frame": "#e08a2e", "output": "#2b7de0"}
"""One colour a video, everywhere in the report."""
NAMES = {"source": "source", "per_frame": "per-frame", "output": "output"}
_WIDTH, _HEIGHT = 760, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 30
_DECADES = 30.0  # use a logarithmic axis where the curves lie this far apart

Curve = Sequence[float | None]


def line_chart(curves: Mapping[str, Curve], unit: str, title: str) -> str:
    """An SVG element with one line a video over the frame number; lines break where values are missing.

    The axis is logarithmic where medians differ by more than a factor of thirty and all values are positive.
    """
    values = [value for curve in curves.values() for value in curve if value is not None]
    if not values:
        return ""
    logarithmic = _far_apart(curves)
    low, high, ticks = _axis(values, logarithmic)
    count = max(len(curve) for curve in curves.values())

    def x(index: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * index / max(1, count - 1)

    def y(value: float) -> float:
        share = (
            (math.log(value / low) / math.log(high / low)) if logarithmic else (value - low) / (high - low)
        )
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - min(1.0, max(0.0, share)))

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" '
        'xmlns="http://www.w3.org/2000/svg">'
    ]
    for tick in ticks:
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
        )
    for index in _frame_ticks(count):
        parts.append(f'<text x="{x(index):.1f}" y="{_HEIGHT - 10}" text-anchor="middle">{index}</text>')
    parts.append(
        f'<text transform="translate(12 {(_HEIGHT - _BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(unit)}</text>"
    )
    for name, curve in curves.items():
        colour = COLOURS.get(name, "#555")
        for run in _runs(curve):
            points = " ".join(f"{x(index):.1f},{y(value):.1f}" for index, value in run)
            parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{points}"/>')
    parts.append("</svg>")
    return "".join(parts)


def _runs(curve: Curve) -> list[list[tuple[int, float]]]:
    """Stretches without a missing value."""
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(curve):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((index, value))
    return [run for run in runs if run]


def _far_apart(curves: Mapping[str, Curve]) -> bool:
    medians = []
    for curve in curves.values():
        values = sorted(value for value in curve if value is not None)
        if not values or values[0] <= 0:
            return False
        medians.append(values[len(values) // 2])
    return max(medians) / min(medians) > _DECADES


def _axis(values: Sequence[float], logarithmic: bool) -> tuple[float, float, list[float]]:
    """Lowest and highest value of the axis, and where its lines stand."""
    if logarithmic:
        first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        last = max(last, first + 1)
        return 10.0**first, 10.0**last, [10.0**power for power in range(first, last + 1)]
    high = max(values) or 1.0
    low = 0.0 if min(values) < 0.7 * high else min(values) - 0.1 * (high - min(values) or high)
    rough = (high - low) / 4
    step = 10.0 ** math.floor(math.log10(rough))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step >= rough)
    low = math.floor(low / step) * step
    count = math.ceil((high - low) / step - 1e-9)
    return low, low + count * step, [low + index * step for index in range(count + 1)]


def _frame_ticks(count: int) -> list[int]:
    step = next(s * 10**p for p in range(9) for s in (1, 2, 5) if count / (s * 10**p) <= 10)
    return list(range(0, count, step))


def _number(value: float) -> str:
    return f"{value:.3g}"
