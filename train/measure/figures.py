"""The figures of a style: pictures, steadiness, speed."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from measure.pictures import CPU, Apply, save
from scenivid.evaluation.flicker import e_warp
from scenivid.evaluation.images import EFFNET_SIDE, ImagesSettings, evaluate_images
from scenivid.evaluation.networks import resize_clean
from scenivid.perception.distances import frechet_distance
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.pixels import to_float
from scenivid.styles.zoo import load_style
from scenivid.training.data.images import decode, scan

NOISE = 2 / 255


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
