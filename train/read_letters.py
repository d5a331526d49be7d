"""How many letters stay legible in a stylised picture: text is drawn on photographs and read back by OCR.

    python train/read_letters.py --styles aozora,cel --open data/open --out train/results/letters.json

Words with capitals of 12, 16 and 24 pixels height, in five fonts, stand on held-out photographs at 540 px,
dark or light, whichever the place needs. The share read is that of the characters drawn that RapidOCR
gives back in order; of the photographs themselves it is the most that can be expected.
"""

from __future__ import annotations

import argparse
import difflib
import json
import logging
from pathlib import Path

import matplotlib
import numpy as np
import torch
from measure.pictures import Apply, load_photos, translate
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR

from scenivid.pixels import to_float, to_pixels
from scenivid.styles.zoo import find

FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold", "STIXGeneral")
HEIGHTS = (12, 16, 24)
WORDS = ("Harbour", "Street", "Bakery", "Station", "Museum", "Garden", "Exit", "Hotel", "Market", "Library")
LINES = 3
"""Lines of text on each photograph."""


def font(name: str, capitals: int) -> ImageFont.FreeTypeFont:
    """The font at the size at which its capitals are that many pixels high."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")
    trial = ImageFont.truetype(str(path), 100)
    top, bottom = trial.getbbox("H")[1::2]
    return ImageFont.truetype(str(path), round(100 * capitals / (bottom - top)))


def lettered(
    photo: NDArray[np.uint8], face: ImageFont.FreeTypeFont, random: np.random.Generator
) -> tuple[NDArray[np.uint8], str]:
    """The photograph with a few lines of text, and what they say."""
    image = Image.fromarray(photo)
    pen, said = ImageDraw.Draw(image), []
    for line in range(LINES):
        text = " ".join(random.choice(WORDS, 2)) + f" {random.integers(10, 99)}"
        box = face.getbbox(text)
        x = int(random.integers(8, max(9, image.width - box[2] - 8)))
        y = int(image.height * (line + 0.5) / LINES)
        under = np.asarray(image.crop((x, y, x + box[2], y + box[3])).convert("L"))
        pen.text((x, y), text, fill=(20, 20, 30) if under.mean() > 120 else (240, 240, 235), font=face)
        said.append(text)
    return np.asarray(image), "".join(said).replace(" ", "")


def read(reader: RapidOCR, pixels: NDArray[np.uint8]) -> str:
    """What is read, from top to bottom."""
    found = reader(np.ascontiguousarray(pixels[..., ::-1]))
    if found.boxes is None:
        return ""
    order = np.argsort([box[:, 1].mean() for box in found.boxes])
    return "".join(found.txts[place] for place in order).replace(" ", "")


def share_read(said: str, seen: str) -> float:
    """Share of the characters of `said` that `seen` has, in order."""
    blocks = difflib.SequenceMatcher(None, said, seen, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--styles", default="aozora,cel,gouache", help="names or files, separated by commas")
    parser.add_argument("--open", type=Path, default=Path("data/open"), help="folder of prepare_open_data.py")
    parser.add_argument("--photos", type=int, default=10, help="held-out photographs")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    applies: dict[str, Apply] = {"photograph": lambda image: image}
    applies |= {Path(name).stem: translate(find(name)) for name in args.styles.split(",")}
    reader, random = RapidOCR(), np.random.default_rng(0)
    photos = load_photos(args.open / "heldout", 540)
    photos = photos[:: max(1, len(photos) // args.photos)][: args.photos]
    shares: dict[str, dict[int, list[float]]] = {name: {size: [] for size in HEIGHTS} for name in applies}
    for number, (_, photo) in enumerate(photos):
        pixels = to_pixels(photo)[0].permute(1, 2, 0).numpy()
        for size in HEIGHTS:
            written, said = lettered(pixels, font(FONTS[number % len(FONTS)], size), random)
            image = to_float(torch.from_numpy(written.copy()).permute(2, 0, 1)[None])
            for name, apply in applies.items():
                made = to_pixels(apply(image))[0].permute(1, 2, 0).numpy()
                shares[name][size].append(share_read(said, read(reader, made)))
    figures = {
        name: {f"{size} px": round(float(np.mean(values)), 3) for size, values in by_size.items()}
        for name, by_size in shares.items()
    }
    args.out.write_text(
        json.dumps({"photographs": len(photos), "share_read": figures}, indent=1) + "\n", "utf-8"
    )
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
