"""What a lite network's training will need, told by a dry run: it reads and counts, and paints nothing."""

from __future__ import annotations

import copy
import logging
from functools import partial

import torch
from torch import Tensor

from scenivid.machine.devices import resolve_device
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.nets.lite import Lite
from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.training.data.images import scan
from scenivid.training.lite.recipe import Recipe
from scenivid.training.losses.lite import inner
from scenivid.training.painter.looks import look_named
from scenivid.training.painter.teacher import Teacher
from scenivid.training.planning.memory import estimate, peak_bytes
from scenivid.training.planning.missing import look_for
from scenivid.training.run.speed import Mixed

logger = logging.getLogger(__name__)


def plan(recipe: Recipe) -> None:
    """Name what is missing; say how much there is to paint, sizes, steps and memory.

    Raises:
        ConfigError: no such look.
        DataError: a folder without usable images.
    """
    look_named(recipe.style)
    photos = look_for("photos", partial(scan, recipe.photos, 64), recipe.photos)
    if photos is not None:
        views = sum(recipe.pairs.views_of(entry.name) for entry in photos)
        logger.info("%d photographs, %d views to paint", len(photos), views)
    if recipe.teacher is not None:
        look_for("teacher", partial(Teacher, recipe.teacher), recipe.teacher)
    if recipe.start is not None:
        look_for("start", partial(load_checkpoint, recipe.start), recipe.start)
    if recipe.weights.adversarial:
        look_for("paintings", partial(scan, recipe.paintings), recipe.paintings)
    with torch.device("meta"):
        net = Lite(recipe.network)
    peak = peak_bytes(lambda: _rehearse(recipe), resolve_device("auto"))
    logger.info("%s", estimate({"lite": net}, peak))
    logger.info("%d steps of %d crops of %d px", recipe.run.steps, recipe.batch + recipe.moved, recipe.crop)


def _rehearse(recipe: Recipe) -> None:
    """Two steps with all that they keep in memory, for `memory.peak_bytes`."""
    net = Lite(recipe.network).train()
    kept = copy.deepcopy(net)
    eye = EfficientNetLite0() if recipe.weights.perceptual or recipe.weights.adversarial else None
    optimizer = torch.optim.Adam(net.parameters())
    moved = recipe.moved if recipe.weights.temporal else 0
    source = torch.empty(recipe.batch + moved, 3, recipe.crop, recipe.crop)
    target = torch.empty(recipe.batch, net.channels, recipe.crop, recipe.crop)
    encoded = bool(recipe.weights.hdce or recipe.weights.style_nce)
    judged = recipe.batch if recipe.weights.adversarial else recipe.perceptual_crops
    for _ in range(2):
        with Mixed(torch.device("cpu"), recipe.precision).cast():
            output: Tensor = net(source)
            error = inner(output[: recipe.batch]) - inner(target)
            seen = eye.forward_features(inner(output[:judged, :3])) if eye is not None else []
            seen += net.encode(output[: recipe.batch, :3]) if encoded else []
        terms = [error.abs().mean(), error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()]
        terms += [maps.float().abs().mean() for maps in seen]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(terms).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    del kept
