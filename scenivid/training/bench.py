"""What sharing the encoder's passes saves: the same objective with every pass recomputed, timed side by side.

python -m scenivid.training.bench 2        # steps of each at the paper's size; seconds a step, and ratio
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.frames import to_signed
from scenivid.training.contrastive import ContrastSettings, draw_places, hdce, over_layers, patch_nce, src
from scenivid.training.losses import judge, lsgan
from scenivid.training.program_translator import Recipe, build, moment_of
from scenivid.training.temporal_loss import steadiness
from scenivid.training.translation import (
    Batch,
    Moment,
    Networks,
    Weights,
    generator_losses,
    term_weights,
    translate,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """Seconds of one G step (forward of all losses and backward), medians over `steps` alternating pairs."""

    shared: float
    naive: float
    steps: int
    threads: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Every measurement."""

    @property
    def ratio(self) -> float:
        """How many times faster the shared passes are."""
        return self.naive / self.shared


def measure(recipe: Recipe, steps: int = 2) -> Timing:
    """Time G's objective of `recipe` on random images, shared and naive in turn, after one warm-up each."""
    parts = build(recipe, supervised=True)
    nets = Networks(
        parts["g"], parts.get("d"), parts.get("d_pair"), parts.get("heads"), parts.get("heads_pair")
    )
    shape = (recipe.batch, 3, recipe.augment.size, recipe.augment.size)
    photo, painting, source, target = (torch.rand(shape) for _ in range(4))
    batch = Batch(photo, painting, (source, target), None, None, key=(0, 0), first=0)
    weights, contrast, moment = recipe.weights, recipe.contrast, moment_of(recipe, 0)

    def shared() -> Tensor:
        made = translate(nets.g, batch, weights)
        return generator_losses(nets, batch, made, weights, contrast, moment)["g"]

    def naive() -> Tensor:
        return naive_losses(nets, batch, weights, contrast, moment)["g"]

    seconds: dict[str, list[float]] = {"shared": [], "naive": []}
    for turn in range(steps + 1):
        for name, losses in (("shared", shared), ("naive", naive)):
            taken = _time(losses)
            logger.info("%s: %.2f s", name, taken)
            if turn:
                seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return Timing(medians["shared"], medians["naive"], steps, torch.get_num_threads(), seconds)


def naive_losses(
    nets: Networks, batch: Batch, weights: Weights, contrast: ContrastSettings, moment: Moment
) -> dict[str, Tensor]:
    """`generator_losses` as one would write it down: each loss translates and encodes what it needs."""

    def styled(x: Tensor) -> Tensor:
        output: Tensor = nets.g(x)[0]
        return output

    def features(x: Tensor) -> list[Tensor]:
        found: list[Tensor] = nets.g(x, translate=False)[1]
        return found

    def projected(query: Tensor, key: Tensor, branch: int) -> list[tuple[Tensor, Tensor]]:
        heads = nets.heads_pair if branch == 2 else nets.heads
        assert heads is not None
        q, k = features(query), features(key)
        places = draw_places(q, contrast.places, (*batch.key, branch), batch.first)
        return list(zip(heads(q, places), heads(k, places), strict=True))

    fake, losses = styled(batch.photo), {}
    if nets.d is not None:
        losses["gan"] = lsgan(judge(nets.d, to_signed(fake)), real=True)
    if batch.pair is not None:
        fake_pair = styled(batch.pair[0])
        if nets.d_pair is not None:
            both = to_signed(torch.cat([batch.pair[0], fake_pair], 1))
            losses["pair_gan"] = lsgan(judge(nets.d_pair, both), real=True)
        if nets.heads_pair is not None:
            pairs = projected(fake_pair, batch.pair[1], 2)
            losses["style_nce"] = over_layers([patch_nce(q, k, contrast.temperature) for q, k in pairs])
        if weights.pair_l1:
            losses["pair_l1"] = F.l1_loss(fake_pair, batch.pair[1])
    if weights.hdce:
        pairs = projected(fake, batch.photo, 0)
        losses["hdce"] = over_layers([hdce(q, k, moment.gamma, contrast.temperature) for q, k in pairs])
    if weights.src:
        losses["src"] = over_layers([src(q, k) for q, k in projected(fake, batch.photo, 0)])
    if weights.hdce_painting or weights.identity:
        same = styled(batch.painting)
        if weights.hdce_painting:
            pairs = projected(same, batch.painting, 1)
            terms = [hdce(q, k, moment.gamma, contrast.temperature) for q, k in pairs]
            losses["hdce_identity"] = over_layers(terms)
        if weights.identity:
            losses["identity"] = F.l1_loss(same, batch.painting)
    if batch.motion is not None and batch.moved is not None:
        losses["temporal"] = steadiness(styled(batch.moved), fake, batch.motion)
    factors = term_weights(weights, moment)
    losses["g"] = torch.stack([factors[name] * value for name, value in losses.items()]).sum()
    return losses


def _time(losses: Callable[[], Tensor]) -> float:
    began = time.perf_counter()
    losses().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - began


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    timing = measure(Recipe(), int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    sys.stdout.write(json.dumps(asdict(timing) | {"ratio": timing.ratio}) + "\n")
