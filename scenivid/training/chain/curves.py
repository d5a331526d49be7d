"""Curves of a run's log as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 360, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 24
_COLOURS = ("#3566c8", "#d1495b", "#3a8f5d", "#c98a1b", "#7a52b3", "#4d9db0")
_MOST = 240
"""Points of a curve that are drawn; of more, means of neighbours."""


def curves(log: Sequence[Mapping[str, float]], names: Sequence[str]) -> str:
    """One chart of the named values over the steps; empty where none of them was logged twice.

    Args:
        log: lines of log.jsonl.
    """
    series = {name: [(line["step"], line[name]) for line in log if name in line] for name in names}
    series = {name: _thinned(points) for name, points in series.items() if len(points) > 1}
    if not series:
        return ""
    steps = [step for points in series.values() for step, _ in points]
    values = [value for points in series.values() for _, value in points]
    first, last, low, high = min(steps), max(steps), min(0.0, *values), max(values)
    high = high if high > low else low + 1

    def x(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (step - first) / max(last - first, 1)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(", ".join(series))}">']
    for value in (low, (low + high) / 2, high):
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}"/>'
            f'<text x="{_LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    for step, anchor in ((first, "start"), (last, "end")):
        parts.append(f'<text x="{x(step):.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{step:,.0f}</text>')
    for (_, points), colour in zip(series.items(), _COLOURS, strict=False):
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>')
    key = "".join(
        f'<span class="key"><i style="background:{colour}"></i>{escape(name)} {points[-1][1]:.4g}</span>'
        for (name, points), colour in zip(series.items(), _COLOURS, strict=False)
    )
    return f'<figure class="chart">{"".join(parts)}</svg><figcaption>{key}</figcaption></figure>'


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    stride = -(-len(points) // _MOST)
    groups = [points[i : i + stride] for i in range(0, len(points), stride)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]
