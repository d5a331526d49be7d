"""A StyleGAN2 small enough to train in a test."""

from __future__ import annotations

from pathlib import Path

from scenivid.training.programs.stylegan import Recipe
from scenivid.training.recipe import load_recipe


def toy_recipe(photos: Path, *sets: str) -> Recipe:
    """Four steps of a network of 32 pixels; `sets` override."""
    return load_recipe(
        Recipe,
        None,
        [
            f"images={photos.as_posix()}", "in_memory=true", "workers=0", "network.size=32",
            "network.channel_multiplier=0.015625", "network.style_dim=8", "network.mapping_layers=2",
            "gan.batch=4", "gan.r1_every=2", "gan.path_every=2", "gan.augment=ada", "gan.ada_images=64",
            "run.steps=4", "run.log_every=1", "run.sample_every=0", "run.tensorboard=false",
            "realism.every=0", *sets,
        ],
    )  # fmt: skip
