"""Measure what `--strength` does with a style that has a dial, beside a blend with the source.

    python train/evaluate_dial.py scenivid/weights/aozora.safetensors --out train/results/aozora

Writes OUT/dial.json and OUT/dial.jpg. At each strength: the mean change of held-out photographs, which
should grow; and the mean distance to the procedural painter working at that strength, for the dial and for
the blend that it replaces. The picture shows two photographs: the dial above, the blend below.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import torch
from measure.pictures import CPU, load_photos
from measure.sheets import sheet, tile
from torch import Tensor

from scenivid.ink import inked
from scenivid.nets.checkpoint import read_card
from scenivid.styles.stylizer import blend_for
from scenivid.styles.zoo import load_style
from scenivid.training.painter.looks import look_named
from scenivid.training.painter.painter import paint_composed

STRENGTHS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
PAINTED = (0.4, 0.6)
"""Where the painter is asked: between the strengths of the recipes."""
SHOWN = (0.25, 0.5, 0.75, 1.0)


def at(weights: Path, strength: float, photos: list[Tensor]) -> list[Tensor]:
    """What the engine makes of photographs [1, 3, H, W] at a strength."""
    style = load_style(str(weights), CPU, "fp32", strength=strength)
    blend = blend_for(style, strength)
    made = [inked(style.translate(photo, [True], None, None)[0], style.ink) for photo in photos]
    return [torch.lerp(photo, image, blend) for photo, image in zip(photos, made, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--open", type=Path, default=Path("data/open"), help="folder of prepare_open_data.py")
    parser.add_argument("--count", type=int, default=6, help="photographs")
    parser.add_argument("--side", type=int, default=360, help="shorter side of the photographs")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    card = read_card(args.weights)
    if not card.params.get("dial"):
        parser.error(f"{args.weights} has no dial: --strength blends it")
    look = look_named(card.name)
    photos = [photo for _, photo in load_photos(args.open / "heldout", args.side)]
    photos = photos[:: max(1, len(photos) // args.count)][: args.count]
    made = {strength: at(args.weights, strength, photos) for strength in STRENGTHS}
    figures: dict[str, dict[str, float]] = {
        "change_255": {},
        "to_painter_255": {},
        "blend_to_painter_255": {},
    }
    for strength, results in made.items():
        figures["change_255"][f"{strength}"] = apart(results, photos)
    for strength in PAINTED:
        painted = [paint_composed(photo, look, strength) for photo in photos]
        blends = [torch.lerp(photo, full, strength) for photo, full in zip(photos, made[1.0], strict=True)]
        figures["to_painter_255"][f"{strength}"] = apart(made[strength], painted)
        figures["blend_to_painter_255"][f"{strength}"] = apart(blends, painted)
    (args.out / "dial.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    rows = []
    for i, photo in enumerate(photos[:2]):
        full = made[1.0][i]
        for row in ([made[s][i] for s in SHOWN], [torch.lerp(photo, full, s) for s in SHOWN]):
            rows.append([tile(image, 320, 200) for image in (photo, *row)])
    sheet(rows, args.out / "dial.jpg", limit=300_000)
    print(json.dumps(figures, indent=1))


def apart(first: list[Tensor], second: list[Tensor]) -> float:
    """Mean absolute difference of images, in levels of 255."""
    differences = [float((a - b).abs().mean()) for a, b in zip(first, second, strict=True)]
    return round(255 * statistics.mean(differences), 3)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
