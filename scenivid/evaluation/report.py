"""One self-contained HTML page about a flicker measurement, with its JSON beside it."""

from __future__ import annotations

import base64
import io
import json
from importlib import resources
from pathlib import Path

from torch import Tensor

from scenivid.errors import DependencyError, OutputError
from scenivid.evaluation.pictures import Pictures, take_pictures
from scenivid.evaluation.plots import COLOURS, NAMES, line_chart
from scenivid.evaluation.results import COLUMNS, FlickerReport

PAGE, DATA = "flicker.html", "flicker.json"
_CHARTS = (
    ("e_warp", "Warping error of each pair of frames", "E_warp × 1000", 1000.0),
    ("far", "Warping error to the first frame of the shot (L1)", "× 1000", 1000.0),
    ("tof", "Difference of motion (tOF)", "px", 1.0),
    ("change", "Change between neighbours, motion included", "/255", 255.0),
    ("clip", "CLIP consistency", "cosine", 1.0),
    ("dino", "DINO consistency", "cosine", 1.0),
)
_TILES = (
    ("e_warp_over_per_frame", "of the per-frame flicker is left", 100.0, "%", 0),
    ("excess_removed", "of the avoidable flicker is removed", 100.0, "%", 0),
    ("e_warp_over_source", "times the source's own warping error", 1.0, "×", 2),
    ("sharpness_ratio", "of the sharpness is kept", 100.0, "%", 0),
)


def write_report(report: FlickerReport, folder: Path) -> Path:
    """Write `flicker.html` (works offline, nothing beside it is needed) and `flicker.json` into `folder`.

    The videos are read a second time for the pictures.

    Returns:
        The page.

    Raises:
        DependencyError: jinja2 or Pillow is missing.
        OutputError: the folder can't be written.
        InputError: a video is gone by now.
    """
    page = render(report, take_pictures(report))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DATA).write_text(json.dumps(report.to_dict(), indent=2, allow_nan=False), encoding="utf-8")
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as exc:
        raise OutputError(f"the report can't be written to {folder}: {exc.strerror or exc}") from exc
    return folder / PAGE


def render(report: FlickerReport, pictures: Pictures) -> str:
    """The page as text."""
    try:
        import jinja2
    except ImportError as exc:
        raise DependencyError("the report needs jinja2: pip install 'scenivid[eval]'") from exc
    source = (resources.files("scenivid.evaluation") / "report.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    columns = [column for column in COLUMNS if column != "per_frame" or report.per_frame]
    return template.render(
        report=report,
        columns=[{"key": column, "name": NAMES[column], "colour": COLOURS[column]} for column in columns],
        tiles=_tiles(report),
        charts=[
            {"title": title, "svg": line_chart(_scaled(report, key, scale), unit, title)}
            for key, title, unit, scale in _CHARTS
            if key in report.curves
        ],
        rows=[
            {
                "guard": row.guard,
                "label": row.label.strip(),
                "part": row.label.startswith(" "),
                "cells": [row.shown(column, row.note if column == "output" else "") for column in columns],
                "better": row.better,
            }
            for row in report.rows
        ],
        strips=[[_uri(crop, "JPEG") for crop in strip] for strip in pictures.strips],
        slices=[_uri(picture, "PNG") for picture in pictures.slices],
        poster=_uri(pictures.poster, "JPEG"),
        box=pictures.box,
        times=pictures.times,
        line=pictures.line,
        span=pictures.span,
        data=DATA,
    )


def _tiles(report: FlickerReport) -> list[dict[str, str]]:
    tiles = []
    for key, words, scale, unit, digits in _TILES:
        value = report.value(key)
        if value is not None and not (key == "sharpness_ratio" and report.per_frame is None):
            tiles.append({"value": f"{value * scale:.{digits}f}{unit}", "words": words})
    return tiles


def _scaled(report: FlickerReport, key: str, scale: float) -> dict[str, list[float | None]]:
    """Curves as shown; the source's tOF is zero by definition and left out."""
    return {
        video: [None if value is None else value * scale for value in curve]
        for video, curve in report.curves[key].items()
        if not (key == "tof" and video == "source")
    }


def _uri(picture: Tensor, form: str) -> str:
    """uint8 [H, W, 3] as a data URI."""
    try:
        from PIL import Image
    except ImportError as exc:
        raise DependencyError("the report needs Pillow: pip install 'scenivid[eval]'") from exc
    buffer = io.BytesIO()
    Image.fromarray(picture.contiguous().numpy()).save(buffer, form, quality=92)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
