"""A translator small enough to train in a test, and data for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scenivid.training.recipe import load_recipe
from scenivid.training.run.checkpoint import read_checkpoint
from scenivid.training.translator.recipe import Recipe

TINY = (
    "run.steps=4",
    "run.log_every=1",
    "run.sample_every=0",
    "run.tensorboard=false",
    "augment.size=32",
    "translator.width=4",
    "translator.blocks=5",
    "lite.widths=[16,16,16]",
    "lite.middle_dilations=[1]",
    "lite.decode_blocks=[1,1]",
    "discriminator_width=4",
    "discriminator_layers=1",
    "contrast.places=16",
    "contrast.width=8",
    "weights.temporal=1.0",
    "weights.identity=0.5",
    "batch=2",
    "epochs=2",
    "workers=0",
    "device=cpu",
)


def write_data(folder: Path) -> None:
    random = np.random.default_rng(0)
    for side in ("photos", "paintings", "pairs/source", "pairs/target"):
        (folder / side).mkdir(parents=True)
        for number in range(5):
            coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8))
            coarse.resize((56, 40), Image.Resampling.BICUBIC).save(folder / side / f"{number}.png")


def tiny(data: Path, *more: str) -> Recipe:
    folders = [f"photos={data / 'photos'}", f"paintings={data / 'paintings'}", f"pairs={data / 'pairs'}"]
    return load_recipe(Recipe, None, [*TINY, *folders, *more])


def weights(out: Path) -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, Tensor):
            flat[name] = value
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}")

    walk(read_checkpoint(out / "checkpoint.pt")["state"], "")
    return flat


def apart(a: Iterable[Tensor], b: Iterable[Tensor]) -> float:
    """‖a − b‖ / ‖b‖ over all tensors together: some gradients are zero but for rounding."""
    first, second = (torch.cat([tensor.flatten() for tensor in side]) for side in (a, b))
    return float((first - second).norm() / second.norm())
