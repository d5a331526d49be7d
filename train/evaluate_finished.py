"""Full-size pictures beside the painter's own at that size: painted at 540, finished at 1080 from the source.

    python train/evaluate_finished.py --style cel --open data/open --out train/results/cel/finished.json

The painter paints the full-size photograph with brushes twice as large; the network paints it shrunk, and
`finish` brings that to full size. L1 and mean gradient are over whole pictures; `edges` is the gradient where
the painter's is among the strongest 5 %, over the painter's there. Also the same stylised at 540, 720
and 1080, shrunk to 540: mean differences in levels of 255. Only photographs that are large enough count.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from measure.pictures import CPU, load_photos
from torch import Tensor

from scenivid.ink import compose
from scenivid.styles.finish import at_painting_size, finish
from scenivid.styles.finish_planes import painting_size
from scenivid.styles.stylizer import Stylizer
from scenivid.styles.zoo import find, load_style
from scenivid.training.painter.filters import slope
from scenivid.training.painter.looks import look_named
from scenivid.training.painter.painter import paint_composed

SMALL, MIDDLE, FULL = 540, 720, 1080
LUMA = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]


def luma(rgb: Tensor) -> Tensor:
    return (rgb * LUMA).sum(1, keepdim=True)


def shrunk(image: Tensor, short: int) -> Tensor:
    scale = short / min(image.shape[-2:])
    size = [round(side * scale) for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)


def stylised(style: Stylizer, photo: Tensor) -> Tensor:
    """As the engine does it with a single picture."""
    size = painting_size(photo.shape[-2], photo.shape[-1], SMALL)
    pixels = photo.mul(255).round().to(torch.uint8)
    small = at_painting_size(pixels, size)
    flat = style.translate(small, [True], None, None)[0].float()
    flat, line = flat[:, :3], flat[:, 3:]
    full = (photo.shape[-2], photo.shape[-1])
    drawn, ink = line if line.shape[1] else None, style.ink or 0.0
    if size != full:
        return finish(flat, luma(small), luma(photo), drawn, ink)
    return flat if drawn is None else compose(flat, drawn, ink)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--style", default="aozora")
    parser.add_argument("--open", type=Path, default=Path("data/open"), help="folder of prepare_open_data.py")
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    style, look = load_style(str(find(args.style)), CPU), look_named(args.style)
    photos = [photo for _, photo in load_photos(args.open / "heldout", FULL) if min(photo.shape[-2:]) == FULL]
    rows = []
    for photo in photos[:: max(1, len(photos) // args.photos)][: args.photos]:
        photo = photo[..., :FULL, :1600]
        painter, ours = paint_composed(photo, look, 1.0, FULL), stylised(style, photo)
        steep, of_ours = slope(luma(painter)), slope(luma(ours))
        strongest = steep >= steep.flatten().quantile(0.95)
        sizes = {side: shrunk(stylised(style, shrunk(photo, side)), SMALL) for side in (SMALL, MIDDLE)}
        sizes[FULL] = shrunk(ours, SMALL)
        rows.append(
            {
                "l1_to_painter": float((ours - painter).abs().mean()),
                "gradient_over_painter": float(of_ours.mean() / steep.mean()),
                "edges_over_painter": float(of_ours[strongest].mean() / steep[strongest].mean()),
                "720_beside_1080": 255 * float((sizes[MIDDLE] - sizes[FULL]).abs().mean()),
                "540_beside_1080": 255 * float((sizes[SMALL] - sizes[FULL]).abs().mean()),
            }
        )
    figures = {"photographs": len(rows)} | {
        key: round(statistics.mean(row[key] for row in rows), 4) for key in rows[0]
    }
    args.out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
