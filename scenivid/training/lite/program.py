"""The lite network's training step: painted pairs, moved ones, and those who judge the result."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Protocol

import torch
from torch import Tensor
from torch.func import functional_call

from scenivid.ink import inked
from scenivid.machine.devices import resolve_device
from scenivid.nets.lite import Lite
from scenivid.pixels import to_float
from scenivid.training.data.samples import EndlessSet, Stream
from scenivid.training.lite.contrast import PaintingContrast
from scenivid.training.lite.files import begin_from
from scenivid.training.lite.judges import Judges
from scenivid.training.lite.recipe import Recipe
from scenivid.training.losses.adversarial import curriculum
from scenivid.training.losses.lite import inner, lines, reconstruction
from scenivid.training.losses.temporal import SyntheticMotion, draw_motion, steadiness, synthesise
from scenivid.training.painter.batches import Crops, Levels
from scenivid.training.painter.looks import look_named
from scenivid.training.painter.pairs import Pairs
from scenivid.training.run.ema import update_ema
from scenivid.training.run.log import grid
from scenivid.training.run.program import Stateful
from scenivid.training.run.schedule import set_learning_rate, warmup_then_cosine
from scenivid.training.run.speed import Mixed, compiled
from scenivid.training.run.world import World
from scenivid.training.translator.translation import FeatureGenerator

_REFRESH = 50
"""Steps between two looks for newly painted pairs."""


class PairSource(Protocol):
    """Whatever has painted pairs: a `PairStore`, or a test's own."""

    def pairs(self) -> Pairs:
        """Those there are now."""


class LiteProgram:
    """The network, its average, and the discriminator if there is one, as the training loop wants them."""

    def __init__(self, recipe: Recipe, stores: Sequence[PairSource], world: World | None = None) -> None:
        """`stores` are the pairs of full strength and of `recipe.strengths`, in their order."""
        self.recipe, self.world = recipe, world or World(resolve_device("auto"))
        self.stores = dict(zip((1.0, *recipe.strengths), stores, strict=True))
        self.levels = self._painted_pairs()
        self.device = self.world.device
        self.mixed = Mixed(self.device, recipe.precision)
        torch.manual_seed(recipe.run.seed)
        self.net = Lite(recipe.network)
        if recipe.start is not None:
            begin_from(self.net, recipe.start)
        self.net.to(self.device).to(memory_format=torch.channels_last).train()
        self.ema = copy.deepcopy(self.net).requires_grad_(False)
        self.generator = FeatureGenerator(self.net)
        compiled(self.generator, recipe.compile)
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True
        )
        self.judges: Judges | None = None
        if recipe.weights.perceptual or recipe.weights.adversarial:
            self.judges = Judges(recipe, self.mixed, self.world)
        self.stream = self._open_stream()
        self.contrast: PaintingContrast | None = None
        if recipe.weights.hdce or recipe.weights.style_nce:
            wanted = [name for name in ("hdce", "style_nce") if getattr(recipe.weights, name)]
            self.contrast = PaintingContrast(self.net, wanted, recipe.contrast, self.device)

    def state(self) -> Mapping[str, Stateful]:
        """Weights, average and optimisers."""
        parts: dict[str, Stateful] = {"net": self.net, "ema": self.ema, "optimizer": self.optimizer}
        parts |= self.mixed.state()
        for judging in (self.judges, self.contrast):
            parts |= judging.state() if judging is not None else {}
        return parts

    def batch(self, index: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Crops of step `index` on the device: photographs [N, 3, C, C], the painter's versions of them
        [N, 3 or 4, C, C], and for a discriminator real paintings [N, 3, C, C]."""
        if self.recipe.begin_with is not None and index % _REFRESH == 0:
            self._look_for_more()
        drawn = self.stream.batch(index)
        crops = drawn["crop"]
        source, target = (crops[side].to(self.device, non_blocking=True) for side in ("source", "target"))
        real = to_float(drawn["painting"].to(self.device, non_blocking=True)) if "painting" in drawn else None
        source = source.contiguous(memory_format=torch.channels_last)
        return source, to_float(target[:, : self.net.channels]), real

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        """One optimiser step; reports every loss, unweighted."""
        recipe = self.recipe
        rate = recipe.learning_rate * warmup_then_cosine(index, recipe.run.steps, recipe.warmup, floor=0.01)
        set_learning_rate(self.optimizer, rate)
        source, target, real = self.batch(index)
        seen, motion = self._moved(source, index)
        strength = self.levels.strength(index)
        with self.mixed.cast():
            output, features = self._paint(seen, strength)
        losses = self._compared(output[: recipe.batch], target)
        if motion is not None:
            losses["temporal"] = steadiness(output[recipe.batch :], output[: recipe.moved], motion)
        if self.judges is not None:
            losses |= self.judges.losses(
                output[: recipe.batch], target, real if strength == 1 else None, index
            )
        contrasted = self.contrast if strength == 1 else None
        if contrasted is not None:
            losses |= self._contrasted(contrasted, features, output[: recipe.batch], target, index)
        weights = asdict(recipe.weights)
        terms = [weights[name] * value for name, value in losses.items() if weights.get(name)]
        self.optimizer.zero_grad(set_to_none=True)
        if contrasted is not None:
            contrasted.optimizer.zero_grad(set_to_none=True)
        self.mixed.scale(torch.stack(terms).sum()).backward()  # type: ignore[no-untyped-call]
        self.mixed.step(self.optimizer, recipe.clip, self.world.average_gradients)
        if contrasted is not None:
            self.mixed.step(contrasted.optimizer, recipe.clip, self.world.average_gradients)
        self.mixed.update()
        update_ema(self.ema, self.net, min(recipe.ema, (1 + index) / (10 + index)))
        told = self.world.joint({name: value.detach() for name, value in losses.items()})
        return told | {"learning_rate": rate}

    def samples(self) -> Tensor | None:
        """Rows of photograph, painting, result, inked."""
        pairs, size = self.levels.pairs[1.0], self.recipe.crop
        few = torch.stack([pairs[number] for number in range(min(6, len(pairs)))])[..., :size, :size]
        source, target = to_float(few[:, :3]), to_float(few[:, 3 : 3 + self.net.channels])
        self.ema.eval()
        with torch.no_grad():
            output = self.ema(source.to(self.device))
        ink = look_named(self.recipe.style).ink
        return grid([source, inked(target, ink), inked(output, ink)])

    def _painted_pairs(self) -> Levels:
        pairs = {strength: store.pairs() for strength, store in self.stores.items()}
        return Levels(pairs, self.recipe.dial_every)

    def _open_stream(self) -> Stream:
        recipe, world = self.recipe, self.world
        joint = recipe.batch * world.size
        sets: dict[str, EndlessSet] = {
            "crop": Crops(self.levels, recipe.degrade, recipe.crop, joint, recipe.run.seed)
        }
        if self.judges is not None and self.judges.paintings is not None:
            sets["painting"] = self.judges.paintings
        return Stream(sets, recipe.batch, recipe.workers, rank=world.rank, world=world.size)

    def _look_for_more(self) -> None:
        """Take in what has been painted meanwhile; workers, which have a copy of the list, begin anew."""
        levels = self._painted_pairs()
        if levels.counts() != self.levels.counts():
            self.close()
            self.levels, self.stream = levels, self._open_stream()

    def close(self) -> None:
        """End the workers."""
        self.stream.__exit__()

    def _compared(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        output, target = inner(output).contiguous(), inner(target)
        losses = reconstruction(output[:, :3], target[:, :3], self.recipe.vivid)
        return losses | (lines(output[:, 3:], target[:, 3:]) if self.net.params.line else {})

    def _moved(self, source: Tensor, index: int) -> tuple[Tensor, SyntheticMotion | None]:
        """The crops, followed by moved ones, and how these were moved."""
        recipe = self.recipe
        if not recipe.moved or not recipe.weights.temporal:
            return source, None
        shape = (recipe.moved, *source.shape[1:])
        first = self.world.rank * recipe.moved
        motion = draw_motion(shape, recipe.motion, (recipe.run.seed, 33, index), first, self.device)
        moved = synthesise(source[: recipe.moved], motion)
        return torch.cat([source, moved]).contiguous(memory_format=torch.channels_last), motion

    def _paint(self, source: Tensor, strength: float) -> tuple[Tensor, list[Tensor]]:
        """The network's output, and its encoder's features of `source`."""
        if strength == 1:
            output, features = self.generator(source)
        else:
            weights = {f"net.{name}": value for name, value in self.net.weights_at(strength).items()}
            output, features = functional_call(self.generator, weights, (source,))
        return output, features

    def _contrasted(
        self, contrast: PaintingContrast, seen: list[Tensor], output: Tensor, target: Tensor, index: int
    ) -> dict[str, Tensor]:
        recipe, ink = self.recipe, look_named(self.recipe.style).ink
        with self.mixed.cast():
            _, made = self.generator(inked(output, ink), translate=False)
            with torch.no_grad():
                _, wanted = self.generator(inked(target, ink), translate=False)
        return contrast.losses(
            seen=[layer[: recipe.batch] for layer in seen],
            made=made,
            wanted=wanted,
            key=(recipe.run.seed, 34, index),
            first=self.world.rank * recipe.batch,
            gamma=curriculum(index, recipe.run.steps, recipe.contrast.gamma_start, recipe.contrast.gamma_end),
        )
