"""Condense the runs of the tiny chain into a few small files: curves as CSV and PNG, sheets as JPG.

    python train/summarise_chain.py --runs runs/tiny --out train/results/tiny

RUNS is the folder of a `scenivid train chain`, or holds folders named stylegan, finetune, pairs, translator
and lite as `scenivid train` wrote them; absent ones are left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from scenivid.training.run.log import read_log

LARGEST = 300_000
PROGRAMS = ("stylegan", "finetune", "pairs", "translator", "lite")


def summarise(runs: Path, out: Path) -> list[Path]:
    """Write what there is; returns the files."""
    out.mkdir(parents=True, exist_ok=True)
    logs = {
        name: read_log(runs / name / "log.jsonl") for name in PROGRAMS if (runs / name / "log.jsonl").exists()
    }
    written = [write_csv(lines, out / f"{name}.csv") for name, lines in logs.items() if lines]
    written += write_curves(logs, out)
    for name in logs:
        grids = sorted((runs / name / "samples").glob("*.png"))
        if grids:
            written.append(write_jpg(grids[-1], out / f"{name}-samples.jpg"))
    for name in ("kept", "dropped"):
        sheet = runs / "pairs" / f"{name}.jpg"
        if sheet.exists():
            written.append(write_jpg(sheet, out / f"pairs-{name}.jpg"))
    if (runs / "sheet.png").exists():
        written.append(write_jpg(runs / "sheet.png", out / "sheet.jpg"))
    for name in ("chain.json", "figures.json"):
        if (runs / name).exists():
            written.append(Path(shutil.copy(runs / name, out / name)))
    calibration = runs / "pairs" / "calibration.json"
    if calibration.exists():
        facts = json.loads(calibration.read_text()) | counts(runs / "pairs" / "manifest.jsonl")
        (out / "pairs-calibration.json").write_text(json.dumps(facts, indent=2) + "\n")
        written.append(out / "pairs-calibration.json")
    return written


def write_csv(lines: list[dict[str, float]], path: Path) -> Path:
    """One row a logged step; empty where a value wasn't measured."""
    names = ["step", *sorted({name for line in lines for name in line} - {"step"})]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for line in lines:
            writer.writerow([f"{line[name]:.5g}" if name in line else "" for name in names])
    return path


def write_curves(logs: dict[str, list[dict[str, float]]], out: Path) -> list[Path]:
    """FD-EffNet over steps for both networks, the agreement of the fine-tuned one with its source, how far
    networks are from being taken for real by a discriminator on frozen features, what lite has to learn.
    """
    keys = ("fd_effnet", "agreement", "features")
    wanted = [(name, key) for name in ("stylegan", "finetune") for key in keys]
    wanted += [("translator", "features"), ("lite", "pixel")]
    series = [
        (name, key, [(line["step"], line[key]) for line in logs.get(name, []) if key in line])
        for name, key in wanted
    ]
    series = [item for item in series if item[2]]
    if not series:
        return []
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(series), figsize=(4 * len(series), 3), squeeze=False)
    for axis, (name, key, points) in zip(axes[0], series, strict=True):
        axis.plot(*zip(*points, strict=True), marker="o", markersize=3)
        axis.set(title=f"{name}: {key}", xlabel="step", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(out / "curves.png", dpi=80)
    plt.close(figure)
    return [out / "curves.png"]


def write_jpg(source: Path, path: Path) -> Path:
    """The picture as JPG of at most 300 kB, the quality lowered until it fits."""
    image = cv2.imdecode(np.frombuffer(source.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    for quality in (90, 80, 70, 55, 40):
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) <= LARGEST:
            break
    path.write_bytes(encoded)
    return path


def counts(manifest: Path) -> dict[str, int]:
    """How many pairs were made and kept."""
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    return {"candidates": len(rows), "kept": sum(row["kept"] for row in rows)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/tiny"))
    parser.add_argument("--out", type=Path, default=Path("train/results/tiny"))
    options = parser.parse_args()
    for made in summarise(options.runs, options.out):
        print(made)
