"""What the training of a StyleGAN2 will need, told by a dry run."""

from __future__ import annotations

import copy
from functools import partial

import torch

from scenivid.machine.devices import resolve_device
from scenivid.nets.stylegan2 import Generator, StyleGAN2Params
from scenivid.nets.stylegan2_discriminator import Discriminator
from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.training.losses.feature_critic import FeatureCritic
from scenivid.training.planning.memory import estimate, peak_bytes
from scenivid.training.run.world import World
from scenivid.training.stylegan.constraints import Constraints, Held, unlearnt_judges
from scenivid.training.stylegan.gan import Gan
from scenivid.training.stylegan.realism import CHUNK, RealismSettings, embed
from scenivid.training.stylegan.results import sample
from scenivid.training.stylegan.settings import GanSettings


def describe(
    params: StyleGAN2Params,
    gan: GanSettings,
    realism: RealismSettings,
    steps: int,
    constraints: Constraints | None = None,
) -> str:
    """Sizes, parameters, steps and an estimate of the memory a device needs; builds nothing of size.

    Args:
        constraints: of a fine-tuning.
    """
    with torch.device("meta"):
        parts = {"generator": Generator(params), "discriminator": Discriminator(params)}
    peak = peak_bytes(lambda: rehearse(params, gan, realism, constraints), resolve_device("auto"))
    return f"{estimate(parts, peak)}\n{steps:,} steps of {gan.batch} images a process at {params.size} px"


def rehearse(
    params: StyleGAN2Params,
    settings: GanSettings,
    realism: RealismSettings,
    constraints: Constraints | None = None,
) -> None:
    """Two steps with all that they keep in memory, regularisers included, for `memory.peak_bytes`."""
    cpu = torch.device("cpu")
    real = torch.empty(settings.batch, 3, params.size, params.size)
    critic = FeatureCritic.unlearnt(params.size, settings.features_side) if settings.features else None
    g = Generator(params)
    source = copy.deepcopy(g).eval().requires_grad_(False) if constraints is not None else None
    gan = Gan(g, Discriminator(params), settings, 0, World(cpu), critic)
    extra = None
    if constraints is not None and source is not None and constraints.active:
        judges = unlearnt_judges(constraints)
        towards = judges.encoder.global_embedding(real[:1])[0]
        directed = constraints.semantic * constraints.directional > 0
        held = Held(source, judges, constraints, towards if directed else None)
        extra = partial(held.losses, rng=torch.Generator(cpu))
    watchers = 1 if constraints is None else 2  # realism's, and the pairs' segmenter
    watching = [
        EfficientNetLite0().requires_grad_(False).eval() for _ in range(watchers if realism.every else 0)
    ]
    for _ in range(2):
        if watching:
            embed(sample(gan.ema, 0, 0, min(CHUNK, realism.images)), watching[0], realism.side)
        gan.discriminator_step(real, 0)
        gan.generator_step(0, extra)
