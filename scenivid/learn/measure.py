"""How near a learnt style is to its pictures, on photographs and pictures that it hasn't seen."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.engine import StylizeSettings, stylize
from scenivid.errors import ScenividError
from scenivid.evaluation.fidelity import ssim_luma
from scenivid.evaluation.flicker import FlickerSettings, evaluate_flicker
from scenivid.ink import inked
from scenivid.learn.gather import Material, picture
from scenivid.nets.lite import Lite
from scenivid.oklab import rgb_to_oklab
from scenivid.perception.distances import kernel_distance
from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.perception.palette import palette_distance
from scenivid.training.data.images import Entry
from scenivid.training.run.log import grid

_CROPS = 24
"""Crops of each side for the kernel distance, which needs more than a few pictures."""
_SIDE = 224
_FLICKER_S = Fraction(1)
_log = logging.getLogger(__name__)
Paint = Callable[[Tensor], Tensor]


def painter(network: Lite, ink: float) -> Paint:
    """A network with its lines, [1, 3, H, W] in [0, 1]; H and W multiples of 16."""
    network = network.eval().cpu()

    @torch.no_grad()
    def paint(image: Tensor) -> Tensor:
        return inked(network(image).float(), ink).clamp(0, 1)

    return paint


def measure(
    material: Material, styles: dict[str, Paint], eye: EfficientNetLite0
) -> tuple[dict[str, dict[str, float]], Tensor]:
    """Figures of each style, and a sheet: photographs, a row for each style, pictures.

    Args:
        styles: by name; "photographs" (nothing painted) is added as the first.

    Returns:
        By style: colour_distance (sliced Wasserstein, Oklab), kernel_distance (EfficientNet-Lite0, crops),
        content_ssim, gradient (mean of |∂L|: lower is flatter).
    """
    photos = [picture(entry) for entry in material.held_photos]
    looks = [picture(Entry(path, path.name)) for path in material.held_pictures]
    wanted = _embedded(looks, eye)
    figures, rows = {}, []
    for name, paint in {"photographs": _untouched, **styles}.items():
        made = [paint(photo) for photo in photos]
        figures[name] = {
            "colour_distance": palette_distance(made, looks),
            "kernel_distance": kernel_distance(_embedded(made, eye), wanted, 10),
            "content_ssim": sum(
                float(ssim_luma(photo, one)) for photo, one in zip(photos, made, strict=True)
            ) / len(made),
            "gradient": sum(map(_steepness, made)) / len(made),
        }  # fmt: skip
        rows.append(torch.cat([_thumbnail(one) for one in made]))
    rows.append(torch.cat([_thumbnail(one) for one in looks[: len(photos)]]))
    return figures, grid(rows)


def measure_flicker(clip: Path, style: Path) -> float | None:
    """E_warp of a second of video with the default dial over the source's; None where it can't be had."""
    with tempfile.TemporaryDirectory(prefix="scenivid-") as scratch:
        made = Path(scratch) / "styled.mkv"
        settings = replace(StylizeSettings(), style=str(style), codec="ffv1", duration=_FLICKER_S)
        try:
            stylize(clip, made, settings)
            how = FlickerSettings(duration=_FLICKER_S, long_side=640, perceptual=False, download=False)
            report = evaluate_flicker(clip, made, settings=how)
        except ScenividError as exc:
            _log.warning("flicker could not be measured: %s", exc)
            return None
    return report.value("e_warp_over_source", "output")


def _untouched(image: Tensor) -> Tensor:
    return image


def _steepness(image: Tensor) -> float:
    light = rgb_to_oklab(image)[:, :1]
    return float(light.diff(dim=-1).abs().mean() + light.diff(dim=-2).abs().mean())


def _embedded(images: list[Tensor], eye: EfficientNetLite0) -> Tensor:
    """Features of `_CROPS` evenly placed crops over all images, [_CROPS, 1280]."""
    crops = []
    for number in range(_CROPS):
        image = images[number % len(images)]
        side = min(*image.shape[-2:], 2 * _SIDE)
        turn = number // len(images)
        top = int((image.shape[-2] - side) * ((0.37 * turn) % 1))
        left = int((image.shape[-1] - side) * ((0.618 * turn) % 1))
        crop = image[..., top : top + side, left : left + side]
        crops.append(F.interpolate(crop, (_SIDE, _SIDE), mode="bicubic", antialias=True).clamp(0, 1))
    with torch.no_grad():
        return torch.cat([eye.pooled(part) for part in torch.split(torch.cat(crops), 8)])


def _thumbnail(image: Tensor) -> Tensor:
    """Cut to 3 : 2 in the middle, and small."""
    height, width = image.shape[-2:]
    tall, wide = min(height, width * 2 // 3), min(width, height * 3 // 2)
    top, left = (height - tall) // 2, (width - wide) // 2
    return F.interpolate(image[..., top : top + tall, left : left + wide], (192, 288), mode="area")
