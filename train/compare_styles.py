"""Weights of one look beside each other: what does a loss, or a setting, visibly do?

    python train/compare_styles.py supervised=runs/a/aozora.safetensors branch=runs/b/aozora.safetensors \\
        --open data/open --clips flower.mp4,friday.mp4 --out train/results/branch

Writes OUT/figures.json (distances to the open paintings, nearness to the painter, response to noise, E_warp
over the source's) and OUT/sheet.jpg: held-out photographs and what each file makes of them, whole and then
their middle at 100 %. Nothing is written into the weights.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from measure.figures import beside_painter, noise_response, picture_figures, steadiness
from measure.pictures import CPU, load_photos, paint_all, read_frames, translate
from measure.sheets import chosen, crop, sheet, tile
from torch import Tensor

from scenivid.evaluation.flicker import motion_of
from scenivid.flow.estimators import open_estimator
from scenivid.nets.checkpoint import read_card
from scenivid.pixels import to_float
from scenivid.training.painter.looks import look_named

TILE, LIMIT = 200, 500_000
CLIP_FRAMES = 8


def rows_of(photos: list[tuple[str, Tensor]], made: list[list[Tensor]], count: int) -> list[list[Tensor]]:
    """Rows of the sheet: a photograph and each result of it, whole, then the middles of the same."""
    rows = []
    for i in chosen(photos, count):
        images = [photos[i][1], *(results[i] for results in made)]
        whole = [tile(image, TILE * 16 // 9, TILE) for image in images]
        rows.append(whole + [crop(image, TILE) for image in images])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", nargs="+", help="name=FILE, of one look")
    parser.add_argument("--open", type=Path, default=Path("data/open"), help="folder of prepare_open_data.py")
    parser.add_argument("--clips", default="", help="real clips for the steadiness, separated by commas")
    parser.add_argument("--painted", type=Path, help="folder that keeps the painter's versions between runs")
    parser.add_argument("--photos", type=int, help="how many held-out photographs; none = all")
    parser.add_argument("--rows", type=int, default=8, help="photographs on the sheet")
    parser.add_argument("--side", type=int, default=540, help="shorter side of the photographs")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    files = {name: Path(file) for name, file in (part.split("=", 1) for part in args.weights)}
    styles = {name: translate(file) for name, file in files.items()}
    photos = load_photos(args.open / "heldout", args.side)
    photos = [photos[i] for i in chosen(photos, args.photos or len(photos))]
    made = {name: [apply(photo) for _, photo in photos] for name, apply in styles.items()}
    sheet(rows_of(photos, list(made.values()), args.rows), args.out / "sheet.jpg", LIMIT)
    painted = paint_all(photos, look_named(read_card(next(iter(files.values()))).name), args.painted)
    paintings = args.open / "paintings"
    figures: dict[str, Any] = {
        "photographs_measured": len(photos),
        "held_out": {
            name: beside_painter(results, painted) | picture_figures(photos, results, paintings)
            for name, results in (made | {"photographs": [photo for _, photo in photos]}).items()
        },
        "noise_response": {name: noise_response(apply, photos[:4]) for name, apply in styles.items()},
        "e_warp_over_source": {},
    }
    flow = open_estimator("dis", CPU)
    assert flow is not None
    for file in map(Path, filter(None, args.clips.split(","))):
        clip = read_frames(file, CLIP_FRAMES, 640)
        motion = motion_of(to_float(clip), flow)
        figures["e_warp_over_source"][file.stem] = {
            name: steadiness(apply, clip, motion) for name, apply in styles.items()
        }
    (args.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
