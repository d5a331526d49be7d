"""Measure an embedded style and draw its contact sheet.

    python train/evaluate_style.py scenivid/weights/aozora.safetensors --open data/open \\
        --clips flower.mp4,friday.mp4 --out train/results/aozora

Writes OUT/figures.json, OUT/sheet.jpg and OUT/frames.jpg (six consecutive frames of each clip); puts the
figures, and what train/cards/STYLE.toml says, into the model card in the file's header, and writes the card
beside the weights as Markdown.
The same figures are taken of the procedural painter that the style learnt from, of the photographs as they
are, and of other weights named with --beside. Everything is looked at as the style's own ink draws it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from measure.card import Words, write_markdown
from measure.figures import (
    beside_painter,
    milliseconds,
    noise_response,
    paintings_apart,
    picture_figures,
    steadiness,
)
from measure.pictures import CPU, load_photos, paint_all, read_frames, translate
from measure.sheets import chosen, crop, sheet, tile

from scenivid.evaluation.flicker import motion_of
from scenivid.flow.estimators import open_estimator
from scenivid.nets.checkpoint import read_card, read_tensors, write_tensors
from scenivid.pixels import to_float
from scenivid.training.painter.looks import look_named
from scenivid.training.recipe import load_recipe

SHEET_CROP = 240
CLIP_FRAMES = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--open", type=Path, default=Path("data/open"), help="folder of prepare_open_data.py")
    parser.add_argument("--clips", default="", help="real clips for the steadiness, separated by commas")
    parser.add_argument("--sheet-clips", default="", help="clips whose licence lets frames be published")
    parser.add_argument("--painted", type=Path, help="folder that keeps the painter's versions between runs")
    parser.add_argument(
        "--beside", default="", help="other weights to measure, name=FILE, separated by commas"
    )
    parser.add_argument("--side", type=int, default=540, help="shorter side of the photographs")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    card = read_card(args.weights)
    look = look_named(card.name)
    others = dict(part.split("=", 1) for part in filter(None, args.beside.split(",")))
    styles = {"style": translate(args.weights)} | {
        name: translate(Path(file)) for name, file in others.items()
    }
    photos = load_photos(args.open / "heldout", args.side)
    painted = paint_all(photos, look, args.painted)
    made = {name: [apply(photo) for _, photo in photos] for name, apply in styles.items()}
    pictures = made | {"painter": painted, "photographs": [photo for _, photo in photos]}
    figures: dict[str, Any] = {
        "held_out": {
            "photographs_measured": len(photos),
            "paintings_apart": paintings_apart(args.open / "paintings", len(photos)),
            **{
                name: beside_painter(some, painted) | picture_figures(photos, some, args.open / "paintings")
                for name, some in pictures.items()
            },
        },
        "noise_response": {name: noise_response(apply, photos[:8]) for name, apply in styles.items()},
        "ms_per_frame": {
            f"{width}x{height}, {torch.get_num_threads()} threads, {name}": milliseconds(file, width, height)
            for name, file in (
                {"style": args.weights} | {name: Path(file) for name, file in others.items()}
            ).items()
            for width, height in ((960, 540),)
        },
        "e_warp_over_source": {},
    }
    flow = open_estimator("dis", CPU)
    assert flow is not None
    for name in filter(None, args.clips.split(",")):
        clip = read_frames(Path(name), CLIP_FRAMES, 960)
        motion = motion_of(to_float(clip), flow)
        figures["e_warp_over_source"][Path(name).stem] = {
            who: steadiness(apply, clip, motion) for who, apply in styles.items()
        }
    (args.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    words = load_recipe(Words, Path(__file__).parent / "cards" / f"{card.name}.toml")
    card = replace(
        card,
        figures=figures,
        notes="",
        commercial_use=True,
        **{key: value for key, value in asdict(words).items() if value},
    )
    write_tensors(args.weights, read_tensors(args.weights), card)
    write_markdown(card, args.weights.with_suffix(".md"))
    rows = []
    for i in chosen(photos):
        three = photos[i][1], painted[i], made["style"][i]
        width = SHEET_CROP * 16 // 9
        rows.append(
            [tile(image, width, SHEET_CROP) for image in three] + [crop(image, SHEET_CROP) for image in three]
        )
    sheet(rows, args.out / "sheet.jpg")
    shown = [read_frames(Path(name), 6, 960) for name in filter(None, args.sheet_clips.split(","))]
    if shown:
        strips = [
            [tile(styles["style"](frame), 400, 225) for frame in to_float(clip).split(1)] for clip in shown
        ]
        sheet(strips, args.out / "frames.jpg", 900_000)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
