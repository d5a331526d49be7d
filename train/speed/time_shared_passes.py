"""What sharing the encoder's passes saves: the same objective with every pass recomputed, timed side by side.

python train/speed/time_shared_passes.py 2        # steps of each at the paper's size: seconds a step, ratio
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.pixels import to_signed
from scenivid.training.losses.adversarial import judge, lsgan, outside
from scenivid.training.losses.contrastive import (
    ContrastSettings,
    draw_places,
    hdce,
    over_layers,
    patch_nce,
    src,
)
from scenivid.training.losses.temporal import steadiness
from scenivid.training.translator.losses import discriminator_losses, generator_losses, term_weights
from scenivid.training.translator.recipe import Recipe, build, moment_of
from scenivid.training.translator.translation import Batch, Moment, Networks, Translations, Weights, translate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """Seconds of a step (both sides' losses forward and backward), medians over `steps` alternating pairs.

    On the CPU `shared` and `naive` are processor seconds of all threads together, which other programs on
    the machine disturb little; on a GPU wall-clock seconds.
    """

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


def measure(recipe: Recipe, steps: int = 2, device: torch.device | str = "cpu") -> Timing:
    """Time steps of `recipe` on random images, shared and naive in turn, after a small warm-up."""
    parts = {name: part.to(device) for name, part in build(recipe, supervised=True).items()}
    nets = Networks(
        parts["g"], parts.get("d"), parts.get("d_pair"), parts.get("heads"), parts.get("heads_pair")
    )
    weights, contrast, moment = recipe.weights, recipe.contrast, moment_of(recipe, 0)

    def shared(batch: Batch) -> None:
        made = translate(nets.g, batch, weights)
        _backward(discriminator_losses(nets, batch, made).values())
        _backward([generator_losses(nets, batch, made, weights, contrast, moment)["g"]])

    def naive(batch: Batch) -> None:
        made = naive_translate(nets, batch, weights)
        _backward(discriminator_losses(nets, batch, made).values())
        _backward([naive_losses(nets, batch, made, weights, contrast, moment)["g"]])

    seconds: dict[str, list[float]] = {"shared": [], "naive": []}
    for turn in range(steps + 1):
        side = recipe.augment.size if turn else max(32, recipe.augment.size // 4)
        images = [torch.rand(recipe.batch, 3, side, side, device=device) for _ in range(4)]
        batch = Batch(images[0], images[1], (images[2], images[3]), None, None, key=(0, turn), first=0)
        for name, step in (("shared", shared), ("naive", naive)):
            taken = _time(step, batch)
            logger.info("%d px, %s: %.2f s", side, name, taken)
            if turn:
                seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return Timing(medians["shared"], medians["naive"], steps, torch.get_num_threads(), seconds)


def naive_translate(nets: Networks, batch: Batch, weights: Weights) -> Translations:
    """`translate` with a pass for each image and no features kept."""

    def styled(x: Tensor | None) -> Tensor | None:
        return None if x is None else nets.g(x)[0]

    photo = styled(batch.photo)
    assert photo is not None
    same = styled(batch.painting) if weights.hdce_painting or weights.identity else None
    pair = None if batch.pair is None else styled(batch.pair[0])
    return Translations(photo, same, pair, styled(batch.moved), [], None)


def naive_losses(
    nets: Networks,
    batch: Batch,
    made: Translations,
    weights: Weights,
    contrast: ContrastSettings,
    moment: Moment,
) -> dict[str, Tensor]:
    """`generator_losses` as one would write it down: each loss encodes what it needs, on both sides."""

    def features(x: Tensor) -> list[Tensor]:
        found: list[Tensor] = nets.g(x, translate=False)[1]
        return found

    def projected(query: Tensor, key: Tensor, branch: int) -> list[tuple[Tensor, Tensor]]:
        heads = nets.heads_pair if branch == 2 else nets.heads
        assert heads is not None
        q, k = features(query), features(key)
        places = draw_places(q, contrast.places, (*batch.key, branch), batch.first)
        return list(zip(heads(q, places), heads(k, places), strict=True))

    losses: dict[str, Tensor] = {}
    if nets.d is not None:
        losses["gan"] = lsgan(judge(nets.d, to_signed(made.photo)), real=True)
    if batch.pair is not None and made.pair is not None:
        if nets.d_pair is not None:
            both = to_signed(torch.cat([batch.pair[0], made.pair], 1))
            losses["pair_gan"] = lsgan(judge(nets.d_pair, both), real=True)
        if nets.heads_pair is not None:
            pairs = projected(made.pair, batch.pair[1], 2)
            losses["style_nce"] = over_layers([patch_nce(q, k, contrast.temperature) for q, k in pairs])
        if weights.pair_l1:
            losses["pair_l1"] = F.l1_loss(made.pair, batch.pair[1])
    if weights.hdce:
        pairs = projected(made.photo, batch.photo, 0)
        losses["hdce"] = over_layers([hdce(q, k, moment.gamma, contrast.temperature) for q, k in pairs])
    if weights.src:
        losses["src"] = over_layers([src(q, k) for q, k in projected(made.photo, batch.photo, 0)])
    if weights.hdce_painting and made.painting is not None:
        pairs = projected(made.painting, batch.painting, 1)
        terms = [hdce(q, k, moment.gamma, contrast.temperature) for q, k in pairs]
        losses["hdce_identity"] = over_layers(terms)
    if weights.identity and made.painting is not None:
        losses["identity"] = F.l1_loss(made.painting, batch.painting)
    if batch.motion is not None and made.moved is not None:
        losses["temporal"] = steadiness(made.moved, made.photo, batch.motion)
    if weights.range:
        losses["range"] = outside(made.photo)
    factors = term_weights(weights, moment)
    losses["g"] = torch.stack([factors[name] * value for name, value in losses.items()]).sum()
    return losses


def _backward(losses: Iterable[Tensor]) -> None:
    torch.autograd.backward(list(losses))


def _time(step: Callable[[Batch], None], batch: Batch) -> float:
    cuda = batch.photo.is_cuda
    clock = time.perf_counter if cuda else time.process_time
    if cuda:
        torch.cuda.synchronize()
    began = clock()
    step(batch)
    if cuda:
        torch.cuda.synchronize()
    return clock() - began


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    place = "cuda" if torch.cuda.is_available() else "cpu"
    timing = measure(Recipe(), int(sys.argv[1]) if len(sys.argv) > 1 else 2, place)
    sys.stdout.write(json.dumps(asdict(timing) | {"ratio": timing.ratio}) + "\n")
