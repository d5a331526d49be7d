"""What EfficientNet-Lite0 says of a lite network's results: the perceptual and the adversarial loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from scenivid.ink import inked
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.pixels import to_float
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import scan
from scenivid.training.data.memory import MemorySet
from scenivid.training.lite.recipe import Recipe
from scenivid.training.losses.lite import inner
from scenivid.training.losses.painting_critic import PaintingCritic
from scenivid.training.painter.looks import look_named
from scenivid.training.run.program import Stateful
from scenivid.training.run.speed import Mixed
from scenivid.training.run.world import World


class Judges:
    """The frozen eye, and the discriminator that looks through it if the recipe wants one."""

    def __init__(self, recipe: Recipe, mixed: Mixed, world: World) -> None:
        self.recipe, self.mixed, self.world = recipe, mixed, world
        self.ink = look_named(recipe.style).ink
        self.eye = load_efficientnet(world.device).to(memory_format=torch.channels_last)
        self.paintings: MemorySet | None = None
        self.critic: PaintingCritic | None = None
        if recipe.weights.adversarial:
            low, high = recipe.painting_zoom
            self.paintings = MemorySet(
                scan(recipe.paintings), Augment(recipe.crop, low, high), recipe.run.seed
            )
            examples = to_float(torch.stack([self.paintings[i] for i in range(16)])).to(world.device)
            self.critic = PaintingCritic(self._look(_framed(examples)), recipe.critic)
            self.critic.to(world.device)
            self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=2e-4, betas=(0.5, 0.99))

    def state(self) -> Mapping[str, Stateful]:
        """The discriminator and its optimiser, if there is one."""
        if self.critic is None:
            return {}
        return {"critic": self.critic, "critic_optimizer": self.critic_optimizer}

    def losses(self, output: Tensor, target: Tensor, real: Tensor | None, index: int) -> dict[str, Tensor]:
        """The result beside its own painting and among real paintings.

        The discriminator takes its step on the way.

        Args:
            output: result, [N, 3 or 4, H, W]; its gradient is that of the losses.
            target: the painter's version of the same.
            real: paintings, [N, 3, C, C] in [0, 1]; none = the discriminator isn't asked.
            index: of the training step.
        """
        recipe, losses = self.recipe, {}
        critic = self.critic if index >= recipe.adversarial_from else None
        judged = critic is not None and real is not None
        count = len(output) if judged else recipe.perceptual_crops
        found = self._look(inner(inked(output[:count], self.ink)))
        if recipe.weights.perceptual:
            some = slice(0, recipe.perceptual_crops)
            with torch.no_grad():
                wanted = self._look(inner(inked(target[some], self.ink)))
            terms = [
                (a[some].float() - b.float()).abs().mean() / (b.float().abs().mean() + 1e-3)
                for a, b in zip(found, wanted, strict=True)
            ]
            losses["perceptual"] = torch.stack(terms).mean()
        if critic is not None and real is not None:
            with torch.no_grad():
                seen = self._look(_framed(real))
            loss = critic.loss(found, seen)
            self.critic_optimizer.zero_grad(set_to_none=True)
            self.mixed.scale(loss).backward()  # type: ignore[no-untyped-call]
            self.mixed.step(self.critic_optimizer, joined=self.world.average_gradients)
            losses |= {"adversarial": critic.blame(found), "critic": loss.detach()}
        return losses

    def _look(self, images: Tensor) -> list[Tensor]:
        with self.mixed.cast():
            return self.eye.forward_features(images)


def _framed(crops: Tensor) -> Tensor:
    """Crops of paintings as results are seen: [N, 3, C, C] without their margin."""
    return inner(crops).contiguous(memory_format=torch.channels_last)
