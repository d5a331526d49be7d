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
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scenivid.evaluation.flicker import e_warp, motion_of
from scenivid.evaluation.images import EFFNET_SIDE, ImagesSettings, evaluate_images
from scenivid.evaluation.lockstep import Window, open_together
from scenivid.evaluation.networks import resize_clean
from scenivid.flow.estimators import open_estimator
from scenivid.ink import inked
from scenivid.nets.checkpoint import ModelCard, read_card, read_tensors, write_tensors
from scenivid.perception.distances import frechet_distance
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.pixels import to_float, to_pixels
from scenivid.styles.zoo import load_style
from scenivid.training.data.images import decode, scan
from scenivid.training.painter.looks import Look, look_named
from scenivid.training.painter.painter import paint_composed
from scenivid.training.recipe import load_recipe

CPU = torch.device("cpu")
SHEET_PHOTOS, SHEET_CROP = 16, 240
CLIP_FRAMES = 16
NOISE = 2 / 255
Apply = Callable[[Tensor], Tensor]
"""Images [N, 3, H, W] in [0, 1] to the same, painted."""


@dataclass(frozen=True)
class Words:
    """What of a model card is written by hand."""

    description: str = ""
    licence: str = ""
    data: tuple[str, ...] = ()
    limits: str = ""
    recipe: str = ""
    """Instead of what training wrote, where several recipes made the style."""


def translate(weights: Path) -> Apply:
    """Images through the style, in the precision that it runs in here, inked as its card says."""
    style = load_style(str(weights), CPU)
    return lambda image: inked(style.translate(image, [True] * len(image), None, None)[0], style.ink)


def load_photos(folder: Path, side: int) -> list[tuple[str, Tensor]]:
    """(name, [1, 3, H, W] in [0, 1]) of each photograph, at most `side` pixels on its shorter side."""
    photos = []
    for entry in scan(folder):
        image = decode(entry)
        longer = round(side * max(image.size) / min(image.size))
        image.thumbnail((longer, longer), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.array(image))
        photos.append((entry.key, to_float(pixels.permute(2, 0, 1)[None])))
    return photos


def paint_all(photos: list[tuple[str, Tensor]], look: Look, keep: Path | None) -> list[Tensor]:
    """The painter's version of each photograph, read from `keep` where it is there already."""
    painted = []
    for name, photo in photos:
        path = keep / f"{name.replace('/', '-')}.png" if keep else None
        if path is not None and path.exists():
            pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
            painted.append(to_float(pixels.permute(2, 0, 1)[None]))
            continue
        painted.append(paint_composed(photo, look))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            save(painted[-1], path)
    return painted


def read_frames(path: Path, count: int, long_side: int | None = None) -> Tensor:
    """The first `count` frames, at most `long_side` pixels on their longer side, uint8 [T, 3, H, W]."""
    with open_together([path], Window(max_frames=count, long_side=long_side)) as moments:
        return torch.cat([to_pixels(moment.frames) for moment in moments])


def save(image: Tensor, path: Path) -> None:
    """[1, 3, H, W] in [0, 1] to a PNG."""
    Image.fromarray(to_pixels(image)[0].permute(1, 2, 0).numpy()).save(path)


def picture_figures(
    sources: list[tuple[str, Tensor]], results: list[Tensor], paintings: Path
) -> dict[str, float]:
    """FD-EffNet to the paintings beside that of the photographs, feature cosine, luma SSIM."""
    with tempfile.TemporaryDirectory() as scratch:
        made, content = Path(scratch, "made"), Path(scratch, "content")
        made.mkdir()
        content.mkdir()
        for (name, source), result in zip(sources, results, strict=True):
            flat = name.replace("/", "-")
            save(source, content / f"{flat}.png")
            save(result, made / f"{flat}.png")
        report = evaluate_images(made, paintings, content, ImagesSettings(published=False))
    keys = {
        "fd_effnet": "fd_effnet",
        "kd_effnet": "kd_effnet",
        "content_agreement": "feature_cosine",
        "ssim": "luma_ssim",
    }
    values = {name: report.value(key) for key, name in keys.items()}
    return {name: round(float(value), 4) for name, value in values.items() if value is not None}


@torch.no_grad()
def paintings_apart(folder: Path, count: int, draws: int = 10) -> float:
    """FD-EffNet of `count` paintings to the rest of them, mean over draws: what few images come to anyway."""
    eye, random = load_efficientnet(CPU), torch.Generator().manual_seed(0)
    images = [torch.from_numpy(np.array(decode(entry))).permute(2, 0, 1) for entry in scan(folder)]
    vectors = torch.cat([eye.pooled(resize_clean(image, EFFNET_SIDE)[None] / 255) for image in images])
    orders = [torch.randperm(len(vectors), generator=random) for _ in range(draws)]
    apart = [frechet_distance(vectors[order[:count]], vectors[order[count:]]) for order in orders]
    return round(statistics.mean(apart), 4)


def beside_painter(results: list[Tensor], painted: list[Tensor]) -> dict[str, float]:
    """How near to the painter: mean L1 in [0, 1] units, and mean gradient as a share of the painter's."""
    errors = [float((a - b).abs().mean()) for a, b in zip(results, painted, strict=True)]
    slopes = [_gradient(a) / max(_gradient(b), 1e-6) for a, b in zip(results, painted, strict=True)]
    return {
        "l1_to_painter": round(statistics.mean(errors), 4),
        "gradient_over_painter": round(statistics.mean(slopes), 4),
    }


def _gradient(image: Tensor) -> float:
    return float(image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean())


def noise_response(apply: Apply, photos: list[tuple[str, Tensor]]) -> float:
    """Root mean square change of the output between two noisy copies, over that of the input; σ = 2/255."""
    random = torch.Generator().manual_seed(0)
    ratios = []
    for _, photo in photos:
        first, second = (photo + NOISE * torch.randn(photo.shape, generator=random) for _ in range(2))
        change = (apply(first.clamp(0, 1)) - apply(second.clamp(0, 1))).square().mean()
        ratios.append(float((change / (first - second).square().mean()).sqrt()))
    return round(statistics.mean(ratios), 4)


def steadiness(apply: Apply, clip: Tensor, motion: list[Any]) -> float:
    """E_warp of the frame-by-frame output over E_warp of the source (DIS flow of the source)."""
    source = to_float(clip)
    styled = torch.cat([apply(frame[None]) for frame in source])
    return round(e_warp(styled, motion) / e_warp(source, motion), 4)


def milliseconds(weights: Path, width: int, height: int, runs: int = 5) -> float:
    """Median processor time of one frame, precision "auto"; with one thread it is the time it takes.

    Processor time, since a busy machine would only show how busy it is.
    """
    style = load_style(str(weights), CPU, "auto")
    image = torch.rand(1, 3, height, width)
    times = []
    for _ in range(runs + 1):
        began = time.process_time()
        style.translate(image, [True], None, None)
        times.append(time.process_time() - began)
    return round(1000 * statistics.median(times[1:]), 1)


def tile(image: Tensor, width: int, height: int) -> Tensor:
    """Cover a [3, height, width] tile: scaled, then cropped around the centre."""
    scale = max(width / image.shape[-1], height / image.shape[-2])
    size = (max(height, round(image.shape[-2] * scale)), max(width, round(image.shape[-1] * scale)))
    image = F.interpolate(image, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return image[0, :, top : top + height, left : left + width]


def crop(image: Tensor, side: int) -> Tensor:
    """The middle of [1, 3, H, W] at 100 %, [3, side, side]; bright edges where it is smaller."""
    height, width = image.shape[-2:]
    top, left = max((height - side) // 2, 0), max((width - side) // 2, 0)
    part = image[0, :, top : top + side, left : left + side]
    return F.pad(part, (0, side - part.shape[-1], 0, side - part.shape[-2]), value=1.0)


def sheet(rows: list[list[Tensor]], path: Path, limit: int = 1_400_000) -> None:
    """Rows of equal tiles as one JPEG of at most `limit` bytes."""
    image = torch.cat([torch.cat(row, 2) for row in rows], 1)
    picture = Image.fromarray(to_pixels(image[None])[0].permute(1, 2, 0).numpy())
    for quality in range(92, 40, -4):
        picture.save(path, quality=quality, subsampling=0 if quality > 80 else 2)
        if path.stat().st_size <= limit:
            return


def write_markdown(card: ModelCard, path: Path) -> None:
    """The card for people: what `scenivid styles info` shows, with the figures as tables."""
    both = card.figures["held_out"]
    count = both["photographs_measured"]
    who = [name for name, value in both.items() if isinstance(value, dict)]
    lines = [
        f"# {card.name}", "", card.description, "",
        f"- **Architecture**: {card.architecture}, {json.dumps(dict(card.params))}",
        f"- **Recipe**: {card.recipe}",
        f"- **Licence**: {card.licence}",
        f"- **Limits**: {card.limits}", "",
        "## Data", "", *(f"- {row}" for row in card.data), "",
        "## Figures", "",
        f"On {count} held-out photographs, never trained on (`train/evaluate_style.py`):", "",
        "| | " + " | ".join(who) + " |", "|---" * (1 + len(who)) + "|",
        *(" | ".join((f"| {key}", *(str(both[one].get(key, "")) for one in who))) + " |"
          for key in both["style"]), "",
        "L1 and gradients are beside the procedural painter, the teacher. FD-EffNet is to open paintings,",
        "and is "
        f"biased by the number of images: {count} of the paintings are "
        f"{both['paintings_apart']} from the other paintings.",
        "KD-EffNet, the kernel distance, is free of that bias: about 0 for equal distributions.", "",
        "| steadiness | value |", "|---|---|",
        *(f"| noise response (σ = 2/255), {one} | {value} |"
          for one, value in card.figures["noise_response"].items()),
        *(f"| E_warp, frame by frame, over the source's: {clip}, {one} | {value} |"
          for clip, values in card.figures["e_warp_over_source"].items() for one, value in values.items()),
        "", "| speed | processor ms a frame |", "|---|---|",
        *(f"| {size} | {value} |" for size, value in card.figures["ms_per_frame"].items()), "",
    ]  # fmt: skip
    path.write_text("\n".join(lines), "utf-8")


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


def chosen(photos: list[tuple[str, Tensor]], count: int = SHEET_PHOTOS) -> list[int]:
    """`count` photographs, by number: by turns of the packages they come from, so that it is varied."""
    seen: dict[str, int] = {}
    turns = []
    for index, (name, _) in enumerate(photos):
        package = name.split("-")[0]
        seen[package] = seen.get(package, 0) + 1
        turns.append((seen[package], index))
    return sorted(index for _, index in sorted(turns)[:count])


if __name__ == "__main__":
    main()
