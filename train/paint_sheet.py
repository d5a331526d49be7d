"""Contact sheets of the procedural painter: source beside its looks, one photograph a row.

python train/paint_sheet.py data/open/heldout --out sheet.png
python train/paint_sheet.py street.jpg face.png --looks cel --layers --crop 400 --out crops.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scenivid.ink import compose
from scenivid.pixels import to_float, to_pixels
from scenivid.training.painter.looks import LOOKS, look_named
from scenivid.training.painter.painter import SHORT_SIDE, paint

_PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """The files given, and the pictures in the folders given, by name."""
    found: list[Path] = []
    for path in paths:
        inside = (
            sorted(p for p in path.iterdir() if p.suffix.lower() in _PICTURES) if path.is_dir() else [path]
        )
        found.extend(inside)
    return found


def read_picture(path: Path, short_side: int) -> Tensor:
    """RGB in [0, 1], [1, 3, H, W], scaled so that its shorter side is `short_side` pixels."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    scale = short_side / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    pixels = torch.from_numpy(np.array(image.resize(size, Image.Resampling.LANCZOS)))
    return to_float(pixels.permute(2, 0, 1)[None])


def row(photo: Tensor, looks: Sequence[str], strength: float, layers: bool, crop: int | None) -> Tensor:
    """The photograph and its paintings side by side, RGB [1, 3, H, n·W].

    Args:
        photo: RGB in [0, 1], [1, 3, H, W]; its shorter side is the painting's size.
        layers: show flat colour and lines of each look too.
        crop: side of the square cut from the middle, shown at 100 %; None shows the full frame.
    """
    cells = [photo]
    for name in looks:
        look = look_named(name)
        painting = paint(photo, look, strength, short_side=min(photo.shape[-2:]))
        cells.append(compose(painting.flat, painting.line, look.ink))
        if layers:
            cells += [painting.flat, 1 - painting.line.expand(-1, 3, -1, -1)]
    if crop is not None:
        height, width = photo.shape[-2:]
        high, wide = min(crop, height), min(crop, width)
        top, left = (height - high) // 2, (width - wide) // 2
        cells = [cell[..., top : top + high, left : left + wide] for cell in cells]
    return torch.cat(cells, -1)


def sheet(rows: Sequence[Tensor], width: int | None) -> Tensor:
    """Rows below each other, each at most `width` pixels wide, uint8 RGB [3, H, W]."""
    fitted = []
    for part in rows:
        if width is not None and part.shape[-1] > width:
            size = (max(1, round(part.shape[-2] * width / part.shape[-1])), width)
            part = F.interpolate(part, size=size, mode="bilinear", antialias=True)
        fitted.append(part)
    widest = max(part.shape[-1] for part in fitted)
    return to_pixels(torch.cat([F.pad(part, (0, widest - part.shape[-1])) for part in fitted], -2))[0]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="+", help="photographs, or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="PNG or JPEG to write")
    parser.add_argument("--looks", nargs="+", default=sorted(LOOKS), help="which looks (default: all)")
    parser.add_argument("--strength", type=float, default=1.0, help="of the painter, 0..1")
    parser.add_argument("--short-side", type=int, default=SHORT_SIDE, help="size to paint at, in pixels")
    parser.add_argument("--layers", action="store_true", help="show flat colour and lines apart too")
    parser.add_argument("--crop", type=int, help="show only the middle, this many pixels, at 100 %%")
    parser.add_argument("--width", type=int, default=2400, help="of the sheet; crops are never shrunk")
    args = parser.parse_args(arguments)
    rows = [
        row(read_picture(path, args.short_side), args.looks, args.strength, args.layers, args.crop)
        for path in find_pictures(args.pictures)
    ]
    pixels = sheet(rows, None if args.crop else args.width)
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(args.out)


if __name__ == "__main__":
    main()
