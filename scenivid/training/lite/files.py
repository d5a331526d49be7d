"""Lite styles as files: what a training starts from, what it writes, and what the card says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from scenivid.nets.checkpoint import (
    UNKNOWN_LICENCE,
    ModelCard,
    load_checkpoint,
    load_strictly,
    save_checkpoint,
)
from scenivid.nets.lite import Lite
from scenivid.training.lite.recipe import Recipe
from scenivid.training.painter.looks import look_named
from scenivid.training.run.checkpoint import CHECKPOINT, read_checkpoint


def export_checkpoint(folder: Path, path: Path, recipe: Recipe) -> None:
    """Write the EMA weights of a run's checkpoint as a style, while it trains or after."""
    held = read_checkpoint(folder / CHECKPOINT)
    net = Lite(recipe.network)
    load_strictly(net, held["state"]["ema"], str(folder / CHECKPOINT))
    save_checkpoint(path, net, card(recipe, held["step"]), torch.float16)


def card(recipe: Recipe, step: int, **more: Any) -> ModelCard:
    """The card of a network trained for `step` steps; `more` fills other fields or replaces them."""
    own: dict[str, Any] = {
        "name": recipe.name or recipe.style,
        "licence": recipe.licence or UNKNOWN_LICENCE,
        "commercial_use": recipe.commercial_use,
        "data": recipe.data or (f"photographs of {recipe.photos.name}, licences not given",),
    }
    taught = f"style {recipe.style}" if recipe.teacher is None else f"taught by {recipe.teacher.name}"
    return ModelCard(
        architecture="lite",
        params=asdict(recipe.network),
        paint=recipe.paint,
        ink=look_named(recipe.style).ink if recipe.network.line else None,
        recipe=f"scenivid train lite, {taught}, {step} steps of "
        f"{recipe.batch + recipe.moved} crops of {recipe.crop} × {recipe.crop}, seed {recipe.run.seed}",
        **(own | more),
    )


def begin_from(net: Lite, path: Path) -> None:
    """Weights of a lite style; `net`'s dial stays as it is if the style has none, and the other way round.

    A map of tones that the style hasn't got begins anew.
    """
    own = net.state_dict().items()
    kept = {name: value for name, value in own if name.startswith(("dial_", "tone."))}
    held = load_checkpoint(path)[0]
    if isinstance(held, Lite) and not net.params.dial:
        held = held.at(1.0)
    load_strictly(net, kept | held.state_dict(), str(path))
