"""What a flicker measurement says, as values: rows for a table, curves for a plot, JSON for a machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenivid.evaluation.lockstep import Window

COLUMNS = ("source", "per_frame", "output")
"""The three videos side by side."""


@dataclass(frozen=True)
class Row:
    """One metric. A value that doesn't exist is None, and `note` says why where that isn't obvious."""

    key: str
    label: str
    better: str
    """'lower', 'higher', '1' (close to one) or ''."""
    values: dict[str, float | None]
    """Numbers by column; a column may be absent."""
    note: str = ""
    guard: bool = False
    """A fidelity guard, to be read beside the flicker rows."""
    digits: int = 3
    """Digits after the point, for people."""
    scale: float = 1.0
    """What people see is value · scale; the label says so."""

    def shown(self, column: str, missing: str = "") -> str:
        """The value as people read it: '12.3', or `missing`, or '–'."""
        value = self.values.get(column)
        return f"{value * self.scale:.{self.digits}f}" if value is not None else missing or "–"

    def to_dict(self, columns: Sequence[str]) -> dict[str, Any]:
        """Plain values by column, with what is better and why a value is missing."""
        plain: dict[str, Any] = {column: self.values.get(column) for column in columns}
        return plain | {"better": self.better} | ({"note": self.note} if self.note else {})


@dataclass(frozen=True)
class FlickerReport:
    """Everything measured on one output."""

    source: Path
    styled: Path
    per_frame: Path | None
    frames: int
    width: int
    """Pixels of the measured frames."""
    height: int
    flow: str
    """Estimator behind E_warp."""
    cuts: tuple[int, ...]
    """Frames that begin a new shot, the first frame left out; pairs across them don't count."""
    visible: float
    """Mean share of pixels that the mask lets count, 0..1."""
    gain: float | None
    """Contrast gain of the per-frame result over the source (`fidelity.Gradients.gain`)."""
    rows: tuple[Row, ...]
    curves: dict[str, dict[str, tuple[float | None, ...]]]
    """Metric → video → one value a pair of frames; None across a cut."""
    window: Window
    """Which frames were measured, to look at the same ones again."""
    heat: tuple[tuple[float, ...], ...]
    """Map of where it flickers: squared warp error of the per-frame result (else the output), coarse."""
    warnings: tuple[str, ...]
    seconds: float
    """Wall time of the measurement."""

    def value(self, key: str, column: str = "output") -> float | None:
        """One number: `report.value('e_warp')`.

        Raises:
            KeyError: no such metric.
        """
        for row in self.rows:
            if row.key == key:
                return row.values.get(column)
        raise KeyError(f"no metric {key!r}: there are {', '.join(row.key for row in self.rows)}")

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """(metric, source, per-frame, output, better) as text, flicker rows before guards."""
        rows = sorted(self.rows, key=lambda row: row.guard)
        return [
            (
                row.label,
                row.shown("source"),
                row.shown("per_frame"),
                row.shown("output", row.note),
                row.better,
            )
            for row in rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values. The output's metrics stand at the top level by key, every column under `metrics`."""
        return {
            "source": str(self.source),
            "styled": str(self.styled),
            "per_frame": str(self.per_frame) if self.per_frame else None,
            "frames": self.frames,
            "width": self.width,
            "height": self.height,
            "flow": self.flow,
            "cuts": list(self.cuts),
            "visible": self.visible,
            "gain": self.gain,
            **{row.key: row.values.get("output") for row in self.rows},
            "metrics": {row.key: row.to_dict(COLUMNS) for row in self.rows},
            "curves": {
                name: {video: list(values) for video, values in curve.items()}
                for name, curve in self.curves.items()
            },
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 3),
        }

    def to_json(self) -> str:
        """`to_dict` as one line of strict JSON (no NaN, no infinity)."""
        return json.dumps(self.to_dict(), allow_nan=False)
