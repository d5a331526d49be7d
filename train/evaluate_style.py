"""Measure an embedded style and draw its contact sheet.

    python train/evaluate_style.py scenivid/weights/aozora.safetensors --open data/open \\
        --clips flower.mp4,friday.mp4 --out train/results/aozora

Writes OUT/figures.json and OUT/sheet.jpg; puts the figures, and what train/cards/STYLE.toml says, into the
model card in the file's header, and writes the card beside the weights as Markdown.
The same figures are taken of the procedural painter that the style learnt from.
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
from scenivid.frames import to_float, to_pixels
from scenivid.nets.checkpoint import ModelCard, read_card, read_tensors, write_tensors
from scenivid.perception.distances import frechet_distance
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.styles.zoo import load_style
from scenivid.training.data.images import decode, scan
from scenivid.training.painter.looks import Look, look_named
from scenivid.training.painter.painter import paint_composed
from scenivid.training.recipe import load_recipe

CPU = torch.device("cpu")
SHEET_PHOTOS, SHEET_FRAMES = 12, 8
CLIP_FRAMES = 16
NOISE = 2 / 255


@dataclass(frozen=True)
class Words:
    """What of a model card is written by hand."""

    description: str = ""
    licence: str = ""
    data: tuple[str, ...] = ()
    limits: str = ""
    recipe: str = ""
    """Instead of what training wrote, where several recipes made the style."""


def translate(weights: Path) -> Callable[[Tensor], Tensor]:
    """Images [N, 3, H, W] in [0, 1] through the style, in full precision."""
    style = load_style(str(weights), CPU, "fp32")
    return lambda image: style.translate(image, [True] * len(image), None, None)[0].float().clamp(0, 1)


def load_photos(folder: Path, side: int) -> list[tuple[str, Tensor]]:
    """(name, [1, 3, H, W] in [0, 1]) of each photograph, at most `side` pixels on its longer side."""
    photos = []
    for entry in scan(folder):
        image = decode(entry)
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
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
    for key in ("fd_effnet", "kd_effnet"):
        values[f"{key}_photos"] = report.value(key, "content")
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


def noise_response(apply: Callable[[Tensor], Tensor], photos: list[tuple[str, Tensor]]) -> float:
    """Root mean square change of the output between two noisy copies, over that of the input; σ = 2/255."""
    random = torch.Generator().manual_seed(0)
    ratios = []
    for _, photo in photos:
        first, second = (photo + NOISE * torch.randn(photo.shape, generator=random) for _ in range(2))
        change = (apply(first.clamp(0, 1)) - apply(second.clamp(0, 1))).square().mean()
        ratios.append(float((change / (first - second).square().mean()).sqrt()))
    return round(statistics.mean(ratios), 4)


def steadiness(apply: Callable[[Tensor], Tensor], clip: Tensor, motion: list[Any]) -> float:
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


def sheet(rows: list[list[Tensor]], path: Path, limit: int = 600_000) -> None:
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
    lines = [
        f"# {card.name}", "", card.description, "",
        f"- **Architecture**: {card.architecture}, {json.dumps(dict(card.params))}",
        f"- **Recipe**: {card.recipe}",
        f"- **Licence**: {card.licence}",
        f"- **Limits**: {card.limits}", "",
        "## Data", "", *(f"- {row}" for row in card.data), "",
        "## Figures", "",
        f"On {both['photographs']} held-out photographs, never trained on (`train/evaluate_style.py`):", "",
        "| | style | its teacher, the procedural painter |", "|---|---|---|",
        *(f"| {key} | {both['style'][key]} | {both['painter'][key]} |" for key in both["style"]), "",
        "FD-EffNet is to the open paintings; `fd_effnet_photos` is that of the untouched photographs. It is",
        f"biased by the number of images: {both['photographs']} of the paintings are "
        f"{both['paintings_apart']} from the other paintings.",
        "KD-EffNet, the kernel distance, is free of that bias: about 0 for equal distributions.", "",
        "| steadiness | value |", "|---|---|",
        *(f"| noise response (σ = 2/255), {who} | {value} |"
          for who, value in card.figures["noise_response"].items()),
        *(f"| E_warp, frame by frame, over the source's: {clip}, {who} | {value} |"
          for clip, values in card.figures["e_warp_over_source"].items() for who, value in values.items()),
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
    parser.add_argument("--side", type=int, default=720, help="longer side of the photographs")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    card = read_card(args.weights)
    apply, look = translate(args.weights), look_named(card.name)
    photos = load_photos(args.open / "heldout", args.side)
    results = [apply(photo) for _, photo in photos]
    painted = paint_all(photos, look, args.painted)
    figures: dict[str, Any] = {
        "held_out": {
            "photographs": len(photos),
            "paintings_apart": paintings_apart(args.open / "paintings", len(photos)),
            "style": picture_figures(photos, results, args.open / "paintings"),
            "painter": picture_figures(photos, painted, args.open / "paintings"),
        },
        "noise_response": {"style": noise_response(apply, photos[:8])},
        "ms_per_frame": {
            f"960x540, {torch.get_num_threads()} threads": milliseconds(args.weights, 960, 540),
            f"1920x1080, {torch.get_num_threads()} threads": milliseconds(args.weights, 1920, 1080),
        },
        "e_warp_over_source": {},
    }
    flow = open_estimator("dis", CPU)
    assert flow is not None
    for name in filter(None, args.clips.split(",")):
        clip = read_frames(Path(name), CLIP_FRAMES)
        motion = motion_of(to_float(clip), flow)
        figures["e_warp_over_source"][Path(name).stem] = {"style": steadiness(apply, clip, motion)}
    (args.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    words = load_recipe(Words, Path(__file__).parent / "cards" / f"{card.name}.toml")
    card = replace(
        card, figures=figures, notes="", **{key: value for key, value in asdict(words).items() if value}
    )
    write_tensors(args.weights, read_tensors(args.weights), card)
    write_markdown(card, args.weights.with_suffix(".md"))
    step = max(1, len(photos) // SHEET_PHOTOS)
    chosen = list(range(0, len(photos), step))[:SHEET_PHOTOS]
    rows = [
        [tile(image, 384, 216) for image in (photos[i][1], painted[i], results[i])] for i in chosen
    ]  # fmt: skip
    pairs = []
    clips = list(filter(None, args.sheet_clips.split(",")))
    for name in clips:
        frames = to_float(read_frames(Path(name), 90))
        for index in torch.linspace(0, len(frames) - 1, -(-SHEET_FRAMES // len(clips))).long().tolist():
            frame = frames[index : index + 1]
            pairs.append([tile(frame, 288, 216), tile(apply(frame), 288, 216)])
    pairs = pairs[:SHEET_FRAMES]
    joined = [pairs[i] + pairs[i + 1] for i in range(0, len(pairs) - 1, 2)]
    width = 384 * 3
    rows += [[F.pad(torch.cat(row, 2), (0, width - 288 * 4, 0, 0), value=1.0)] for row in joined]
    sheet(rows, args.out / "sheet.jpg")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
