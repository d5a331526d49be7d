"""How near a folder of generated images is to a style, and how much of its content each image keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import DataError
from scenivid.evaluation.fidelity import ssim_luma
from scenivid.evaluation.networks import (
    NOT_AVAILABLE,
    Features,
    load_inception,
    load_lpips,
    load_pooled_efficientnet,
    resize_clean,
    try_load,
)
from scenivid.evaluation.results import Row
from scenivid.machine.devices import resolve_device
from scenivid.perception.distances import frechet_distance, kernel_distance
from scenivid.perception.perceptual import PairDistance
from scenivid.pixels import to_float
from scenivid.video.reading.pictures.images import frame_paths, read_image

EFFNET_SIDE = 256
"""Pixels: images are squeezed to this square before EfficientNet, as FID squeezes to 299."""
_BATCH = 16
_FEW = 2048
_COLUMNS = ("generated", "content")


@dataclass(frozen=True)
class ImagesSettings:
    """How image folders are compared."""

    device: str = "auto"
    published: bool = True
    """FID, KID, LPIPS and ArtFID where their weights are available."""
    download: bool = True
    """Fetch published weights that are not cached yet."""


@dataclass(frozen=True)
class ImagesReport:
    """Everything measured on three folders."""

    generated: Path
    style: Path
    content: Path
    images: int
    """Generated images."""
    style_images: int
    pairs: int
    """Generated images whose content image was found."""
    rows: tuple[Row, ...]
    """Columns 'generated' and 'content', the untouched source: the value to beat or to keep."""
    warnings: tuple[str, ...]

    def value(self, key: str, column: str = "generated") -> float | None:
        """One number: `report.value('fd_effnet')`."""
        return next(row for row in self.rows if row.key == key).values.get(column)

    def table(self) -> list[tuple[str, str, str, str]]:
        """(metric, generated, content, better) as text."""
        return [
            (row.label, row.shown("generated", row.note), row.shown("content"), row.better)
            for row in self.rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: generated images' metrics at the top level by key, both columns under `metrics`."""
        return {
            "generated": str(self.generated),
            "style": str(self.style),
            "content": str(self.content),
            "images": self.images,
            "style_images": self.style_images,
            "pairs": self.pairs,
            **{row.key: row.values.get("generated") for row in self.rows},
            "metrics": {row.key: row.to_dict(_COLUMNS) for row in self.rows},
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """`to_dict` as one line of strict JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)


def evaluate_images(
    generated: Path | str,
    style: Path | str,
    content: Path | str,
    settings: ImagesSettings | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> ImagesReport:
    """Compare `generated` with `style` as sets and with `content` pair by pair (same file name, any suffix).

    Raises:
        InputError: a folder holds no image, or one can't be read.
        DataError: a set is smaller than two, or no generated image can be paired.
        DependencyError: EfficientNet's weights are not installed.
    """
    settings = settings or ImagesSettings()
    generated, style, content = Path(generated), Path(style), Path(content)
    device = resolve_device(settings.device)
    paths = {
        "generated": frame_paths(generated),
        "style": frame_paths(style),
        "content": frame_paths(content),
    }
    for name, found in paths.items():
        if len(found) < 2:
            raise DataError(f"the {name} folder holds one image: a set needs two at least")
    pairs, warnings = pair_names(paths["generated"], paths["content"])
    inception = try_load(load_inception, device, settings.download) if settings.published else None
    lpips = try_load(load_lpips, device, settings.download) if settings.published else None
    tell = _Progress(progress, sum(map(len, paths.values())) + len(pairs))
    effnet = load_pooled_efficientnet(device)

    def squeezed(images: Tensor) -> Tensor:
        small = torch.stack([resize_clean(image, EFFNET_SIDE) / 255 for image in images])
        return effnet(small.to(device)).cpu()

    features = {name: _vectors(found, squeezed, tell) for name, found in paths.items()}
    rows = _set_rows("effnet", "EffNet", features)
    if inception is None:
        rows += [Row(key, key.upper(), "lower", {}, note=NOT_AVAILABLE) for key in ("fid", "kid")]
    else:
        rows += _set_rows("", "", {name: _vectors(found, inception, None) for name, found in paths.items()})
    rows += _agreement(features["generated"], features["content"], [pair[2] for pair in pairs])
    rows += _pair_rows([(one, other) for one, other, _ in pairs], lpips, tell)
    rows.append(_artfid(rows))
    if min(len(paths["generated"]), len(paths["style"])) < _FEW:
        warnings.append(
            f"fewer than {_FEW} images: set distances are biased upwards; compare equal counts of images only"
        )
    return ImagesReport(
        generated,
        style,
        content,
        len(paths["generated"]),
        len(paths["style"]),
        len(pairs),
        tuple(rows),
        tuple(warnings),
    )


def pair_names(
    generated: Sequence[Path], content: Sequence[Path]
) -> tuple[list[tuple[Path, Path, tuple[int, int]]], list[str]]:
    """Match files by name without suffix; where no name matches but the counts agree, by natural order.

    Returns:
        (generated, content, their indices) of each pair, and sentences about what was left out or assumed.

    Raises:
        DataError: nothing can be paired.
    """
    by_stem = {path.stem: index for index, path in enumerate(content)}
    found = [(i, by_stem[path.stem]) for i, path in enumerate(generated) if path.stem in by_stem]
    notes = []
    if found and len(found) < len(generated):
        notes.append(f"{len(generated) - len(found)} generated images have no content image of their name")
    if not found:
        if len(generated) != len(content):
            raise DataError(
                f"no generated image has the name of a content image (first: {generated[0].name}, "
                f"{content[0].name}) and the counts differ ({len(generated)}, {len(content)}): "
                "name each result like its source"
            )
        notes.append("no names match: generated and content images are paired in natural order")
        found = [(i, i) for i in range(len(generated))]
    return [(generated[i], content[j], (i, j)) for i, j in found], notes


def _set_rows(key: str, label: str, features: dict[str, Tensor]) -> list[Row]:
    """Fréchet and kernel distance to the style, of the generated images and of the untouched content."""
    frechet = {name: frechet_distance(features[name], features["style"]) for name in _COLUMNS}
    # clean-fid draws 100 subsets; ten are enough where no published figure has to be met.
    kernel = {
        name: kernel_distance(features[name], features["style"], 10 if key else 100) for name in _COLUMNS
    }
    return [
        Row(f"fd_{key}" if key else "fid", f"FD-{label} to style" if key else "FID", "lower", {**frechet}),
        Row(
            f"kd_{key}" if key else "kid",
            f"KD-{label} to style × 1000" if key else "KID × 1000",
            "lower",
            {**kernel},
            scale=1000,
        ),
    ]


def _agreement(generated: Tensor, content: Tensor, indices: Sequence[tuple[int, int]]) -> list[Row]:
    """Cosine of each image's features to its own content's and to the others', and how often its own wins."""
    one = F.normalize(generated[[i for i, _ in indices]], dim=1)
    other = F.normalize(content[[j for _, j in indices]], dim=1)
    cosine, own = one @ other.T, torch.arange(len(indices))
    matched = float(cosine.diagonal().mean())
    count = len(indices)
    apart = float((cosine.sum() - cosine.diagonal().sum()) / (count * (count - 1))) if count > 1 else None
    among = other @ other.T
    natural = float((among.sum() - among.diagonal().sum()) / (count * (count - 1))) if count > 1 else None
    found = float((cosine.argmax(dim=1) == own).float().mean()) if count > 1 else None
    return [
        Row("content_agreement", "content agreement (EffNet cosine)", "higher", {"generated": matched}),
        Row("content_others", "  the same to other contents", "", {"generated": apart, "content": natural}),
        Row(
            "content_found",
            "  own content is the nearest, %",
            "higher",
            {"generated": found},
            scale=100,
            digits=1,
        ),
    ]


def _pair_rows(pairs: Sequence[tuple[Path, Path]], lpips: PairDistance | None, tell: _Progress) -> list[Row]:
    similar, apart = 0.0, 0.0
    for made, original in pairs:
        image, source = _read(made), _read(original)
        if image.shape != source.shape:
            source = F.interpolate(source, image.shape[-2:], mode="bicubic", antialias=True).clamp(0, 1)
        if min(image.shape[-2:]) < 32:
            raise DataError(f"{made} is smaller than 32×32: too small to compare")
        similar += float(ssim_luma(source, image))
        apart += float(lpips(image, source)) if lpips else 0.0
        tell.step(1)
    count = len(pairs)
    return [
        Row("ssim", "content SSIM (luma)", "higher", {"generated": similar / count, "content": 1.0}),
        Row(
            "lpips",
            "LPIPS to content",
            "lower",
            {"generated": apart / count} if lpips else {},
            note="" if lpips else NOT_AVAILABLE,
        ),
    ]


def _artfid(rows: Sequence[Row]) -> Row:
    """(1 + LPIPS(content, generated))·(1 + FID(style, generated)), Wright & Ommer 2022."""
    value = {row.key: row.values.get("generated") for row in rows}
    if value["lpips"] is None or value["fid"] is None:
        return Row("artfid", "ArtFID", "lower", {}, note=NOT_AVAILABLE)
    return Row("artfid", "ArtFID", "lower", {"generated": (1 + value["lpips"]) * (1 + value["fid"])})


def _vectors(paths: Sequence[Path], features: Features, tell: _Progress | None) -> Tensor:
    """[N, D]; images of different sizes are embedded one by one."""
    found = []
    for start in range(0, len(paths), _BATCH):
        images = [_read(path) for path in paths[start : start + _BATCH]]
        alike = len({image.shape for image in images}) == 1
        found += [features(torch.cat(images))] if alike else [features(image) for image in images]
        if tell:
            tell.step(len(images))
    return torch.cat(found)


def _read(path: Path) -> Tensor:
    """[1, 3, H, W] in [0, 1]."""
    return to_float(torch.from_numpy(read_image(path))).permute(2, 0, 1)[None]


class _Progress:
    def __init__(self, tell: Callable[[int, int | None], None] | None, total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def step(self, count: int) -> None:
        self._done += count
        if self._tell is not None:
            self._tell(self._done, self._total)
