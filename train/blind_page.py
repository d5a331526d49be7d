"""A page for a blind look: two styles on the same pictures, sides hidden and shuffled, keys to vote, a tally.

    python train/blind_page.py old=old.safetensors new=scenivid/weights/aozora.safetensors \\
        --photos data/open/heldout --clips flower.mp4,friday.mp4 --out train/results/blind.html

One file that needs nothing else. Which side is whose is drawn anew whenever the page is opened.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
from pathlib import Path
from string import Template

import torch
from measure.pictures import load_photos, read_frames, translate
from measure.sheets import chosen
from PIL import Image
from torch import Tensor

from scenivid.pixels import to_float, to_pixels

LIMIT = 3_000_000
"""Largest page, in bytes."""
FRAMES_PER_CLIP = 2


def pictures(photos: Path, clips: list[Path], count: int, side: int) -> list[tuple[str, Tensor]]:
    """(name, [1, 3, H, W] in [0, 1]): frames of the clips, then photographs, `count` in all."""
    found = []
    for path in clips:
        frames = to_float(read_frames(path, 60, round(side * 16 / 9)))
        for index in torch.linspace(0, len(frames) - 1, FRAMES_PER_CLIP).long().tolist():
            found.append((f"{path.stem}, frame {index}", frames[index : index + 1]))
    held = load_photos(photos, side)
    return (found + [held[index] for index in chosen(held, count)])[:count]


def jpeg(image: Tensor, width: int, quality: int) -> str:
    """[1, 3, H, W] in [0, 1] as a data URL."""
    picture = Image.fromarray(to_pixels(image)[0].permute(1, 2, 0).numpy())
    picture.thumbnail((width, width), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()


def page(names: tuple[str, str], rounds: list[tuple[str, Tensor, Tensor]], limit: int = LIMIT) -> str:
    """The page, as good as fits in `limit` bytes.

    Args:
        names: of the two styles.
        rounds: name of the picture, and what each style makes of it.
    """
    text = ""
    for width, quality in ((720, 88), (640, 85), (640, 78), (560, 75), (480, 70), (360, 60)):
        held = [
            {"name": name, "images": [jpeg(image, width, quality) for image in images]}
            for name, *images in rounds
        ]
        text = PAGE.substitute(names=json.dumps(names), rounds=json.dumps(held))
        if len(text) <= limit:
            break
    return text


PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Blind look</title>
<style>
body { margin: 0; background: #222; color: #eee; font: 16px sans-serif; text-align: center; }
main { display: flex; gap: 8px; padding: 8px; justify-content: center; }
img { max-width: 49vw; max-height: 82vh; cursor: pointer; }
table { margin: auto; } td, th { padding: 2px 12px; text-align: left; }
</style>
<h1 id="head"></h1><main id="sides"></main><p id="foot"></p>
<script>
const names = $names, rounds = $rounds, votes = [];
const order = rounds.map((_, i) => i).sort(() => Math.random() - 0.5);
const flips = rounds.map(() => Math.random() < 0.5);
const put = (id, html) => { document.getElementById(id).innerHTML = html; };
function show() {
  if (votes.length === rounds.length) return tally();
  const number = order[votes.length], images = rounds[number].images;
  const sides = flips[number] ? [images[1], images[0]] : images;
  put("head", (votes.length + 1) + " of " + rounds.length + ": which looks more like anime?");
  put("sides", sides.map((url, i) => '<img src="' + url + '" onclick="vote(' + i + ')">').join(""));
  put("foot", "← or 1: left · → or 2: right · space: neither · backspace: back");
}
function vote(side) {
  const number = order[votes.length];
  votes.push(side === null ? null : (flips[number] ? 1 - side : side));
  show();
}
function tally() {
  const count = which => votes.filter(vote => vote === which).length;
  put("head", names[0] + " " + count(0) + " · " + names[1] + " " + count(1) + " · neither " + count(null));
  const row = (vote, i) => "<tr><td>" + rounds[order[i]].name +
    "<td>" + (vote === null ? "neither" : names[vote]) + "</tr>";
  put("sides", "<table><tr><th>picture<th>vote</tr>" + votes.map(row).join("") + "</table>");
  put("foot", "reload to begin again");
}
addEventListener("keydown", event => {
  if (event.key === "Backspace") { votes.pop(); show(); return; }
  if (votes.length === rounds.length) return;
  const side = { ArrowLeft: 0, 1: 0, ArrowRight: 1, 2: 1, " ": null }[event.key];
  if (side !== undefined) { event.preventDefault(); vote(side); }
});
show();
</script></html>
""")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("styles", nargs=2, metavar="NAME=FILE", help="the two styles")
    parser.add_argument("--photos", type=Path, default=Path("data/open/heldout"))
    parser.add_argument("--clips", default="", help="clips whose licence lets frames be published, by commas")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--side", type=int, default=540, help="shorter side that is painted at")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    (one, first), (other, second) = (style.split("=", 1) for style in args.styles)
    paint = [translate(Path(file)) for file in (first, second)]
    clips = [Path(name) for name in filter(None, args.clips.split(","))]
    shown = pictures(args.photos, clips, args.count, args.side)
    rounds = [(name, paint[0](picture), paint[1](picture)) for name, picture in shown]
    args.out.write_text(page((one, other), rounds), "utf-8")


if __name__ == "__main__":
    main()
