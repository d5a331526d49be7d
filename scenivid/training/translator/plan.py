"""What a translator's training will need, told by a dry run."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from scenivid.machine.devices import resolve_device
from scenivid.perception.perceptual import unlearnt_distance
from scenivid.training.losses.feature_critic import FeatureCritic
from scenivid.training.losses.temporal import SyntheticMotion
from scenivid.training.planning.memory import estimate, peak_bytes
from scenivid.training.run.speed import Mixed
from scenivid.training.translator.losses import discriminator_losses, generator_losses
from scenivid.training.translator.recipe import Recipe, build, moment_of
from scenivid.training.translator.translation import Batch, Networks, translate


def describe(recipe: Recipe) -> str:
    """Sizes, parameters, steps and the memory that a step needs; builds nothing of size."""
    with torch.device("meta"):
        parts = build(replace(recipe, start=None), supervised=recipe.pairs is not None)
    joint = recipe.batch * recipe.accumulate
    return estimate(parts, peak_bytes(lambda: rehearse(recipe), resolve_device(recipe.device))) + (
        f"\n{recipe.run.steps:,} steps of {joint} images a process at {recipe.augment.size} px, "
        f"{recipe.run.steps * joint:,} images in all; supervised: {'yes' if recipe.pairs else 'no'}"
    )


def rehearse(recipe: Recipe) -> None:
    """Two steps with all that they keep in memory, for `memory.peak_bytes`."""
    parts = build(replace(recipe, start=None), supervised=recipe.pairs is not None)
    if recipe.weights.features:
        parts["critic"] = FeatureCritic.unlearnt(recipe.augment.size, recipe.features_side)
    images = [torch.empty(recipe.batch, 3, recipe.augment.size, recipe.augment.size) for _ in range(6)]
    networks = Networks(parts["g"], *map(parts.get, ("d", "d_pair", "heads", "heads_pair", "critic")))
    kept = copy.deepcopy(parts["g"]) if recipe.ema else None
    optimizers = [torch.optim.Adam(part.parameters(), recipe.learning_rate) for part in parts.values()]
    motion = (
        SyntheticMotion(images[0][:, :2], images[0][:, :1], images[0]) if recipe.weights.temporal else None
    )
    pair = (images[1], images[2]) if recipe.pairs else None
    batch = Batch(images[3], images[4], pair, motion, images[5] if motion else None, (0,), 0)
    weights, moment = recipe.weights, moment_of(recipe, 0)
    perceptual = unlearnt_distance(recipe.perceptual) if weights.perceptual else None
    cast = Mixed(torch.device("cpu"), recipe.precision).cast()
    for _ in range(2):
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        with cast:
            made = translate(networks.g, batch, weights)
            losses = discriminator_losses(networks, batch, made)
        if losses:
            torch.autograd.backward(list(losses.values()))
        with cast:
            losses = generator_losses(networks, batch, made, weights, recipe.contrast, moment, perceptual)
        torch.autograd.backward(losses["g"])
        for optimizer in optimizers:
            optimizer.step()
    del kept
