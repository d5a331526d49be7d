"""The translator's training step by step: networks, optimisers, and the batches of every process.

Each step: G translates a batch, D and D_p take their step, then G and the projection heads theirs. The joint
batch is batch · processes · accumulate, and the same data and places are drawn however it is divided.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from scenivid.nets.lite import Lite
from scenivid.nets.translator import Translator
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.perception.perceptual import open_distance
from scenivid.pixels import to_float
from scenivid.training.data.samples import EndlessSet, ImageSet, PairSet, Stream
from scenivid.training.losses.feature_critic import EXAMPLES, FeatureCritic
from scenivid.training.losses.temporal import draw_motion
from scenivid.training.run.ema import update_ema
from scenivid.training.run.log import grid
from scenivid.training.run.program import Stateful
from scenivid.training.run.random_state import seed_all
from scenivid.training.run.schedule import constant_then_linear, set_learning_rate
from scenivid.training.run.speed import Mixed, adam, compiled, laid_out
from scenivid.training.run.world import World, open_accelerator
from scenivid.training.translator.losses import discriminator_losses, generator_losses
from scenivid.training.translator.recipe import Recipe, build, moment_of
from scenivid.training.translator.translation import (
    Batch,
    FeatureGenerator,
    Networks,
    Translations,
    translate,
    with_motion,
)

_PREVIEWS = 4
_CRITICS = ("d", "d_pair", "critic")
_FAR = 10**9  # item numbers that no training reaches


class TranslatorProgram:
    """The networks and optimisers, as the training loop wants them; close it to end the workers."""

    def __init__(self, recipe: Recipe, sets: Mapping[str, ImageSet | PairSet]) -> None:
        self.recipe, self.sets = recipe, sets
        seed_all(recipe.run.seed)
        self.accelerator = open_accelerator(recipe.device)
        self.device: torch.device = self.accelerator.device
        self.mixed = Mixed(self.device, recipe.precision)
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        self.world = World(self.device, rank, world)
        endless: Mapping[str, EndlessSet] = dict(sets)
        self.stream = Stream(
            endless, recipe.batch * recipe.accumulate, recipe.workers, rank=rank, world=world
        )
        self.parts = build(recipe, supervised="pair" in sets)
        if recipe.weights.features:
            paintings = [to_float(_image(sets["painting"][_FAR + i])) for i in range(EXAMPLES)]
            eye = load_efficientnet(self.device)
            shown = torch.stack(paintings).to(self.device)
            self.parts["critic"] = FeatureCritic(eye, shown, recipe.features_side)
        for module in self.parts.values():
            laid_out(module, self.device)
        self.net: Translator | Lite = self.parts["g"].net
        self.kept = copy.deepcopy(self.net).requires_grad_(False).eval() if recipe.ema else self.net
        betas = (recipe.betas[0], recipe.betas[1])
        self.optimizers = {
            name: adam(module.parameters(), recipe.learning_rate, betas, self.device)
            for name, module in self.parts.items()
        }
        compiled(self.parts["g"], recipe.compile)  # nearly all of the work
        wrapped = {name: self.accelerator.prepare_model(module) for name, module in self.parts.items()}
        self.networks = Networks(
            wrapped["g"],
            wrapped.get("d"),
            wrapped.get("d_pair"),
            wrapped.get("heads"),
            wrapped.get("heads_pair"),
            wrapped.get("critic"),
        )
        self.perceptual = None
        if recipe.weights.perceptual:
            self.perceptual = open_distance(recipe.perceptual, self.device, recipe.perceptual_weights)

    def __enter__(self) -> TranslatorProgram:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.stream.__exit__()
        if kind is None and self.accelerator.num_processes > 1:
            self.accelerator.end_training()  # after an error the others would be waited for in vain

    def state(self) -> Mapping[str, Stateful]:
        """Networks, optimisers and the averaged generator."""
        held: dict[str, Stateful] = {**self.parts}
        held |= {f"adam_{name}": optimizer for name, optimizer in self.optimizers.items()}
        if self.recipe.ema:
            held["ema"] = self.kept
        return {**held, **self.mixed.state()}

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        """D and D_p first, then G and the heads; every process returns the means over all of them."""
        moment = moment_of(self.recipe, index)
        rate = self.recipe.learning_rate * constant_then_linear(
            index, self.recipe.run.steps, self.recipe.constant
        )
        for optimizer in self.optimizers.values():
            set_learning_rate(optimizer, rate)
            optimizer.zero_grad(set_to_none=True)
        pieces = list(self._batches(index))
        last = len(pieces) - 1
        sums: dict[str, Tensor] = {}
        shared: Translations | None = None
        for number, batch in enumerate(pieces):
            with torch.set_grad_enabled(not last), self.mixed.cast():
                shared = translate(self.networks.g, batch, self.recipe.weights)
            with self._gathering(number == last, *_CRITICS), self.mixed.cast():
                losses = discriminator_losses(self.networks, batch, shared)
                if losses:
                    total = torch.stack(list(losses.values())).sum() / len(pieces)
                    self.mixed.scale(total).backward()  # type: ignore[no-untyped-call]
            _add(sums, losses, len(pieces))
        self._optimize(*_CRITICS)
        for number, batch in enumerate(pieces):
            with self._gathering(number == last, "g", "heads", "heads_pair"), self.mixed.cast():
                made = translate(self.networks.g, batch, self.recipe.weights) if last else shared
                assert made is not None
                losses = generator_losses(
                    self.networks,
                    batch,
                    made,
                    self.recipe.weights,
                    self.recipe.contrast,
                    moment,
                    self.perceptual,
                    critics=self.accelerator.unwrap_model,
                )
                self.mixed.scale(losses["g"] / len(pieces)).backward()  # type: ignore[no-untyped-call]
            _add(sums, losses | {"contrast": _contrast(made.photo)}, len(pieces))
        self._optimize("g", "heads", "heads_pair")
        self.mixed.update()
        if self.recipe.ema:
            update_ema(self.kept, self.net, self.recipe.ema)
        return {**self._mean(sums), "rate_g": rate, "gamma": moment.gamma, "pair_weight": moment.pair_weight}

    @torch.no_grad()
    def samples(self) -> Tensor:
        """Rows: photos, their translations; where there are pairs, sources, targets and translations."""
        photos = torch.stack([to_float(_image(self.sets["photo"][_FAR + i])) for i in range(_PREVIEWS)])
        rows = [photos, self._translate(photos)]
        if "pair" in self.sets:
            pairs: list[Any] = [self.sets["pair"][_FAR + i] for i in range(_PREVIEWS)]
            sources = torch.stack([to_float(pair["source"]) for pair in pairs])
            targets = torch.stack([to_float(pair["target"]) for pair in pairs])
            rows += [sources, targets, self._translate(sources)]
        return grid(rows)

    def _translate(self, images: Tensor) -> Tensor:
        generator = FeatureGenerator(self.kept)
        outputs = [generator(image[None].to(self.device))[0] for image in images]
        return torch.cat([output for output in outputs if output is not None]).cpu()

    def _batches(self, index: int) -> Iterator[Batch]:
        recipe = self.recipe
        whole = self.stream.batch(index)
        count = recipe.batch * recipe.accumulate
        images = {name: _to(value, self.device) for name, value in whole.items()}
        for begin in range(0, count, recipe.batch):
            rows = slice(begin, begin + recipe.batch)
            first = self.world.rank * count + begin
            pair = images.get("pair")
            batch = Batch(
                photo=images["photo"][rows],
                painting=images["painting"][rows],
                pair=(pair["source"][rows], pair["target"][rows]) if pair is not None else None,
                motion=None,
                moved=None,
                key=(recipe.run.seed, index),
                first=first,
            )
            motion = None
            if recipe.weights.temporal:
                motion = draw_motion(batch.photo.shape, recipe.motion, (*batch.key, 9), first, self.device)
            yield with_motion(batch, motion)

    @contextmanager
    def _gathering(self, last: bool, *names: str) -> Iterator[None]:
        """Hold back the exchange of gradients between processes until the last of several passes."""
        with ExitStack() as stack:
            if not last:
                wrapped = self.networks
                for name in names:
                    if getattr(wrapped, name) is not None:
                        stack.enter_context(self.accelerator.no_sync(getattr(wrapped, name)))
            yield

    def _optimize(self, *names: str) -> None:
        for name in names:
            if name in self.optimizers:
                self.mixed.step(self.optimizers[name], self.recipe.clip)

    def _mean(self, sums: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One exchange for all of them."""
        if self.accelerator.num_processes == 1:
            return dict(sums)
        joint = self.accelerator.reduce(torch.stack(list(sums.values())), "mean")
        return dict(zip(sums, joint, strict=True))


def _contrast(images: Tensor) -> Tensor:
    """Standard deviation over the pixels of each image and channel, averaged; near 0 for flat colour."""
    return images.detach().float().std(dim=(2, 3)).mean()


def _add(sums: dict[str, Tensor], losses: Mapping[str, Tensor], parts: int) -> None:
    for name, value in losses.items():
        sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach().float() / parts


def _to(value: Any, device: torch.device) -> Any:
    if isinstance(value, dict):
        return {name: _to(inner, device) for name, inner in value.items()}
    return to_float(value.to(device, non_blocking=True))


def _image(item: Tensor | dict[str, Tensor]) -> Tensor:
    assert isinstance(item, Tensor)
    return item
