"""The results of a suite as Markdown, with the crops beside it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from scenivid.errors import OutputError
from suite.results import BLEND, Outcome, SuiteResult

_HEAD = (
    "clip | style | flow | E source | E per-frame | E out | out / per-frame | over 8 frames | "
    "excess removed | sharpness | high | detail | PSNR dB | noise-free: PSNR dB | noise-free: high | "
    "SSIM per-frame → out | tOF per-frame → out | colour /255 | ghost | flow + steady"
)

_SUMMARY_HEAD = "style | flow | clips | mean out / per-frame | worst | goal | mean sharpness | lowest"
_LEGEND = """\
*over 8 frames* is E_warp of (t, t−8) over the per-frame result's. *sharpness*, *high* (frequencies) and
*detail* are ratios to the per-frame result (detail counts only gradients that follow the source);
*noise-free* compares with the same network without noise: per-frame → out in dB, and high frequencies.
*ghost* is the difference to the per-frame result in places uncovered within six frames over that elsewhere:
at most 1 means no trail. *flow + steady* is their share of the seconds spent in all stages."""


def write_results(result: SuiteResult, page: Path, command: str) -> Path:
    """Write the page, its figures as JSON and its crops as JPEG beside it.

    Args:
        page: the Markdown file; crops go into a folder of its name without suffix, in lower case.
        command: how to make this page again.

    Raises:
        OutputError: it can't be written.
    """
    folder = page.with_suffix("").with_name(page.stem.lower())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        crops = _write_crops(result, folder)
        figures = [_plain(outcome) for outcome in result.outcomes]
        (folder / f"{result.suite.name}.json").write_text(json.dumps(figures, indent=1, allow_nan=False))
        page.write_text(as_markdown(result, command, crops), encoding="utf-8")
    except OSError as exc:
        raise OutputError(f"the results can't be written to {page}: {exc.strerror or exc}") from exc
    return page


def as_markdown(result: SuiteResult, command: str, crops: Sequence[tuple[str, str]] = ()) -> str:
    """The page; `crops` are (caption, address) of pictures."""
    suite = result.suite
    lines = [
        f"# Results of suite `{suite.name}`",
        "",
        *([suite.about, ""] if suite.about else []),
        f"Written by `{command}`; nothing here is typed by hand. {suite.frames} frames, long side "
        f"{suite.long_side} px unless the suite says otherwise, dial at {result.consistency:g}. E_warp × "
        f"1000 along {suite.measure} on the source (rendered clips: exact flow). torch {torch.__version__}, "
        f"{os.cpu_count()} cores ({platform.machine()}).",
        "",
        "## Summary",
        "",
        *_table(_SUMMARY_HEAD, _summary(result)),
        "",
        f"`{BLEND}` is the baseline: {suite.blend:g} of the frame before, no motion; see its guards.",
        "",
        "## Every run",
        "",
        *_table(_HEAD, [_row(outcome) for outcome in result.outcomes]),
        "",
        _LEGEND,
    ]
    if crops:
        lines += [
            "",
            "## Crops",
            "",
            "Left to right as named; the place is where something was just uncovered.",
        ]
        for caption, address in crops:
            lines += ["", f"{caption}", "", f"![{caption}]({address})"]
    if result.left_out:
        lines += ["", "## Left out", "", *(f"- {sentence}" for sentence in result.left_out)]
    return "\n".join(lines) + "\n"


def _summary(result: SuiteResult) -> list[list[str]]:
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in result.outcomes:
        groups.setdefault((outcome.style, outcome.flow), []).append(outcome)
    rows = []
    for (style, flow), members in groups.items():
        ratios = _values(members, "e_warp_over_per_frame")
        sharp = _values(members, "sharpness_ratio")
        goal = members[0].goal
        met = ""
        if goal and ratios and flow != BLEND:
            met = f"≤ {goal:g}: {sum(ratio <= goal for ratio in ratios)} of {len(ratios)}"
        floor = result.suite.sharpness
        kept = f" (≥ {floor:g}: {sum(value >= floor for value in sharp)} of {len(sharp)})" if sharp else ""
        rows.append(
            [
                style,
                flow,
                str(len(members)),
                _number(_mean(ratios)),
                _number(max(ratios, default=None)),
                met,
                _number(_mean(sharp)) + kept,
                _number(min(sharp, default=None)),
            ]
        )
    return rows


def _row(outcome: Outcome) -> list[str]:
    value, clean = outcome.report.value, outcome.clean
    share = None
    if outcome.run is not None:
        stages = outcome.run.stages
        seconds = float(sum(stages.values()))
        share = (stages.get("flow", 0.0) + stages.get("steady", 0.0)) / seconds if seconds else None
    return [
        outcome.clip,
        outcome.style,
        outcome.flow,
        *(_number(value("e_warp", column), 1000, 4) for column in ("source", "per_frame", "output")),
        _number(value("e_warp_over_per_frame")),
        _number(value("e_warp_8_over_per_frame")),
        _number(value("excess_removed"), 100, 1, " %"),
        _number(value("sharpness_ratio")),
        _number(value("energy_ratio")),
        _number(value("detail_ratio")),
        _number(value("psnr"), digits=1),
        "–" if clean is None else f"{clean.per_frame_psnr_db:.1f} → {clean.psnr_db:.1f}",
        _number(None if clean is None else clean.energy),
        f"{_number(value('ssim', 'per_frame'))} → {_number(value('ssim'))}",
        f"{_number(value('tof', 'per_frame'))} → {_number(value('tof'))}",
        _number(value("colour_shift"), 255, 2),
        _number(outcome.ghost, digits=2),
        _number(share, 100, 0, " %"),
    ]


def _plain(outcome: Outcome) -> dict[str, Any]:
    """Figures without curves and without the paths of work files."""
    keep = ("frames", "width", "height", "flow", "cuts", "visible", "gain", "metrics", "warnings")
    report = outcome.report.to_dict()
    return {
        "clip": outcome.clip,
        "style": outcome.style,
        "coherence": outcome.flow,
        "ghost": outcome.ghost,
        "noise_free": vars(outcome.clean) if outcome.clean else None,
        "stages": outcome.run.stages if outcome.run else None,
        "fps": outcome.run.fps if outcome.run else None,
        **{key: report[key] for key in keep},
    }


def _write_crops(result: SuiteResult, folder: Path) -> list[tuple[str, str]]:
    from PIL import Image

    written = []
    for crop in result.crops:
        name = f"{result.suite.name}-{crop.clip}-{crop.style}.jpg".replace(" ", "-").replace("/", "-")
        Image.fromarray(crop.picture.contiguous().numpy()).save(folder / name, quality=90)
        columns = " · ".join(crop.columns)
        written.append((f"{crop.clip}, {crop.style}, frame {crop.frame}: {columns}", f"{folder.name}/{name}"))
    return written


def _table(head: str, rows: Iterable[Sequence[str]]) -> list[str]:
    names = [name.strip() for name in head.split("|")]
    return [
        f"| {' | '.join(names)} |",
        f"|{'|'.join('---' if index < 3 else '--:' for index in range(len(names)))}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _values(members: Sequence[Outcome], key: str) -> list[float]:
    values = [member.report.value(key) for member in members]
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _number(value: float | None, scale: float = 1.0, digits: int = 3, unit: str = "") -> str:
    return "–" if value is None else f"{value * scale:.{digits}f}{unit}"
