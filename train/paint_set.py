"""Two unpaired folders from one of photographs: every second one becomes a picture of the procedural painter.

    python train/paint_set.py data/open/photos --look aozora --out data/split

Writes OUT/paintings, and OUT/photos with copies of the others: something for `scenivid train chain` to learn
whose look stands apart from photographs even at 64 pixels, and whose right answer is known.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from paint_sheet import find_pictures, read_picture
from PIL import Image

from scenivid.pixels import to_pixels
from scenivid.training.painter.looks import LOOKS, look_named
from scenivid.training.painter.painter import paint_composed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--look", default="aozora", choices=sorted(LOOKS))
    parser.add_argument("--side", type=int, default=216, help="shorter side of a painting, in pixels")
    parser.add_argument("--bold", type=float, default=1.75, help="how much larger brushes are")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    look = look_named(args.look)
    for kind in ("paintings", "photos"):
        (args.out / kind).mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(find_pictures([args.photos])):
        if number % 2:
            shutil.copy(path, args.out / "photos")
            continue
        photo = read_picture(path, args.side)
        even = photo[..., : photo.shape[-2] // 2 * 2, : photo.shape[-1] // 2 * 2]
        with torch.inference_mode():
            painting = paint_composed(even, look, short_side=args.side * args.bold)
        pixels = to_pixels(painting[0].clamp(0, 1)).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(args.out / "paintings" / f"{path.stem}.png")


if __name__ == "__main__":
    main()
