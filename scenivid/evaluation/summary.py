"""From running sums to the rows of a report, as docs/metrics.md defines them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scenivid.evaluation.lockstep import Window
from scenivid.evaluation.networks import NOT_AVAILABLE, Networks
from scenivid.evaluation.results import FlickerReport, Row
from scenivid.evaluation.tally import Tally

SHARPNESS_FLOOR = 0.97
"""Below this share of the per-frame result's sharpness the flicker figures flatter the output."""
_LEAST_EXCESS = 0.1
_TRIM = 2
"""Frames left out at both ends by tOF and tLP (Chu et al. 2020)."""
_NEEDS_PER_FRAME = "n/a (needs the per-frame result)"
_TOO_SHORT = "n/a (too short)"
_STILL = "n/a (the source has no warping error)"

Curve = Sequence[float | None]


def summarise(
    tally: Tally,
    networks: Networks,
    *,
    paths: tuple[Path, Path, Path | None],
    size: tuple[int, int],
    flow: str,
    window: Window,
    seconds: float,
) -> FlickerReport:
    """Close the sums. `paths` are source, output and per-frame result; `size` is (height, width) measured."""
    rows = (
        *_warping(tally),
        *_motion(tally, networks),
        *_perceptual(tally, networks),
        *_guards(tally, networks),
    )
    shot_starts = [t + 1 for t, value in enumerate(tally.curves["e_warp"]["source"]) if value is None]
    return FlickerReport(
        source=paths[0],
        styled=paths[1],
        per_frame=paths[2],
        frames=tally.frames,
        width=size[1],
        height=size[0],
        flow=flow,
        cuts=tuple(shot_starts),
        visible=sum(tally.visible) / max(1, len(tally.visible)),
        gain=tally.gradients["per_frame"].gain if "per_frame" in tally.names else None,
        rows=rows,
        curves={
            metric: {name: tuple(values) for name, values in curve.items()}
            for metric, curve in tally.curves.items()
            if any(value is not None for value in curve["output"])
        },
        window=window,
        heat=tuple(tuple(row) for row in (tally.heat / max(1, len(tally.visible))).tolist()),
        warnings=tuple(_warnings(rows, tally)),
        seconds=seconds,
    )


def _warping(tally: Tally) -> list[Row]:
    error = {name: _mean(curve) for name, curve in tally.curves["e_warp"].items()}
    near = {name: _mean(curve) for name, curve in tally.curves["near"].items()}
    far = {name: _mean(curve) for name, curve in tally.curves["far"].items()}
    apart = {name: _mean(curve) for name, curve in tally.curves["e_warp_8"].items()}
    both = {name: _sum(near[name], far[name]) for name in tally.names}
    source, flickering, output = error["source"], error.get("per_frame"), error["output"]
    return [
        Row("e_warp", "E_warp × 1000", "lower", error, digits=4, scale=1000),
        Row(
            "e_warp_8",
            "E_warp over 8 frames × 1000",
            "lower",
            apart,
            note="" if apart["output"] is not None else _TOO_SHORT,
            digits=4,
            scale=1000,
        ),
        Row(
            "e_warp_8_over_per_frame",
            "E_warp over 8 frames / per-frame",
            "lower",
            {name: _ratio(apart[name], apart.get("per_frame")) for name in tally.names[1:]},
            note="" if "per_frame" in tally.names else _NEEDS_PER_FRAME,
        ),
        Row("e_warp_long", "E_warp long (L1) × 1000", "lower", both, digits=2, scale=1000),
        Row("e_warp_near", "  of it (t, t−1)", "lower", near, digits=2, scale=1000),
        Row("e_warp_first", "  of it (t, 1)", "lower", far, digits=2, scale=1000),
        Row(
            "e_warp_over_source",
            "E_warp / source",
            "lower",
            {name: _ratio(value, source) for name, value in error.items()},
            note="" if source else _STILL,
        ),
        Row(
            "e_warp_over_per_frame",
            "E_warp / per-frame",
            "lower",
            {name: _ratio(error[name], flickering) for name in tally.names[1:]},
            note="" if "per_frame" in tally.names else _NEEDS_PER_FRAME,
        ),
        _excess(tally, source, flickering, output),
    ]


def _excess(tally: Tally, source: float | None, flickering: float | None, output: float | None) -> Row:
    """(E(per-frame) − E(out)) / (E(per-frame) − E(source·gain)), where E(source·g) = g²·E(source).

    The gain is least-squares on gradients: the g that brings g·∇source closest to ∇per-frame over all pixels,
    channels and frames. What flickers doesn't follow the source's gradients, so it can't raise the gain, and
    with it the floor: the share is, if anything, too low. 1 = the output is as steady as the source would be
    at the style's contrast.
    """
    value, note = None, _NEEDS_PER_FRAME
    if source is not None and flickering is not None and output is not None:
        floor = tally.gradients["per_frame"].gain ** 2 * source
        note = "n/a (the per-frame result hardly flickers more than the source)"
        if flickering - floor > _LEAST_EXCESS * flickering:
            value, note = (flickering - output) / (flickering - floor), ""
    return Row(
        "excess_removed",
        "flicker excess removed, %",
        "higher",
        {"output": value},
        note=note,
        digits=1,
        scale=100,
    )


def _motion(tally: Tally, networks: Networks) -> list[Row]:
    tof = {name: _mean(_trimmed(curve)) for name, curve in tally.curves["tof"].items()}
    steady = {name: _flicker_score(curve) for name, curve in tally.curves["change"].items()}
    reference = steady["source"]
    beyond = {
        name: value - reference if value is not None and reference is not None else None
        for name, value in steady.items()
    }
    return [
        Row("tof", "tOF, px", "lower", tof, note="" if tof["output"] is not None else _TOO_SHORT),
        _tlp(tally, networks),
        Row("vbench_flicker", "VBench flicker score", "higher", steady, digits=4),
        Row(
            "vbench_minus_source",
            "VBench flicker − source's × 1000",
            "higher",
            beyond,
            digits=2,
            scale=1000,
        ),
    ]


def _tlp(tally: Tally, networks: Networks) -> Row:
    """100·|LPIPS(O_{t−1}, O_t) − LPIPS(I_{t−1}, I_t)|, mean (Chu et al. 2020)."""
    if networks.lpips is None:
        return Row("tlp", "tLP", "lower", {}, note=NOT_AVAILABLE)
    curves = {name: _trimmed(curve) for name, curve in tally.curves["lpips"].items()}
    values = {
        name: _mean(
            [
                None if a is None or b is None else 100 * abs(a - b)
                for a, b in zip(curve, curves["source"], strict=True)
            ]
        )
        for name, curve in curves.items()
    }
    return Row("tlp", "tLP", "lower", values, note="" if values["output"] is not None else _TOO_SHORT)


def _perceptual(tally: Tally, networks: Networks) -> list[Row]:
    rows = []
    for key, label in (("clip", "CLIP consistency"), ("dino", "DINO consistency")):
        there = getattr(networks, key) is not None
        values = {name: _mean(curve) for name, curve in tally.curves[key].items()} if there else {}
        rows.append(
            Row(f"{key}_consistency", label, "higher", values, digits=4, note="" if there else NOT_AVAILABLE)
        )
    return rows


def _guards(tally: Tally, networks: Networks) -> list[Row]:
    compared = "per_frame" in tally.names
    sharp = dict(zip(tally.names, (tally.sharpness / tally.frames).tolist(), strict=True))
    similar = dict(zip(tally.names, (tally.ssim / tally.frames).tolist(), strict=True))
    reference = "per_frame" if compared else "source"
    against = "per-frame" if compared else "source"
    energies = dict(zip(tally.names, tally.energy.tolist(), strict=True))
    energy = _ratio(energies["output"], energies[reference])
    detail = {name: sums.product for name, sums in tally.gradients.items()}
    missing = "" if compared else _NEEDS_PER_FRAME
    if not compared:
        lpips_note = _NEEDS_PER_FRAME if networks.lpips else NOT_AVAILABLE
    else:
        lpips_note = "" if networks.lpips else NOT_AVAILABLE
    return [
        Row("sharpness", "sharpness (mean |gradient|) × 1000", "", sharp, digits=2, scale=1000, guard=True),
        Row(
            "sharpness_ratio",
            f"sharpness / {against}",
            "1",
            {"output": _ratio(sharp["output"], sharp[reference])},
            note="n/a (flat picture)",
            guard=True,
        ),
        Row(
            "energy_ratio",
            f"high frequencies / {against}",
            "1",
            {"output": None if energy is None else energy**0.5},
            note="n/a (flat picture)",
            guard=True,
        ),
        Row(
            "detail_ratio",
            f"detail that follows the source / {against}",
            "1",
            {"output": _ratio(detail["output"], detail[reference])},
            note="n/a (flat picture)",
            guard=True,
        ),
        Row(
            "psnr",
            "PSNR to per-frame, dB",
            "higher",
            {"output": tally.psnr / tally.frames if compared else None},
            note=missing,
            digits=2,
            guard=True,
        ),
        Row(
            "lpips",
            "LPIPS to per-frame",
            "lower",
            {"output": tally.lpips / tally.frames if compared and networks.lpips else None},
            note=lpips_note,
            digits=4,
            guard=True,
        ),
        Row("ssim", "content SSIM (luma) to source", "higher", similar, digits=4, guard=True),
        Row(
            "colour_shift",
            "mean colour off per-frame, /255",
            "lower",
            {"output": tally.colour / tally.frames if compared else None},
            note=missing,
            scale=255,
            guard=True,
        ),
    ]


def _warnings(rows: Sequence[Row], tally: Tally) -> list[str]:
    value = {row.key: row.values.get("output") for row in rows}
    found = []
    ratio = value["sharpness_ratio"]
    if "per_frame" in tally.names and ratio is not None and ratio < SHARPNESS_FLOOR:
        found.append(
            f"the output has {ratio:.0%} of the per-frame result's sharpness (floor {SHARPNESS_FLOOR:.0%}): "
            "blur lowers every flicker figure"
        )
    share = sum(tally.visible) / max(1, len(tally.visible))
    if tally.visible and share < 0.5:
        found.append(
            f"only {share:.0%} of the pixels count: the flow hides the rest as occluded or as edges of motion"
        )
    return found


def _flicker_score(curve: Curve) -> float | None:
    """(255 − mean|f_t − f_{t+1}|) / 255 on 0..255 values, that is 1 − mean on [0, 1] (VBench)."""
    change = _mean(curve)
    return None if change is None else 1 - change


def _trimmed(curve: Curve) -> Curve:
    """The pairs that lie within frames 2 … T−3."""
    return curve[_TRIM : len(curve) - _TRIM]


def _mean(curve: Curve) -> float | None:
    values = [value for value in curve if value is not None]
    return sum(values) / len(values) if values else None


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def _ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value is not None and reference else None
