"""One StyleGAN2 with its optimisers: the discriminator's and the generator's step, lazily regularised.

Both `programs.stylegan` and `programs.finetune` train through it. Source: Karras et al. 2020 (config F).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from scenivid.errors import ConfigError
from scenivid.nets.stylegan2 import Generator
from scenivid.nets.stylegan2_discriminator import Discriminator
from scenivid.pixels import from_signed
from scenivid.training.losses.feature_critic import FeatureCritic
from scenivid.training.run.ema import update_ema
from scenivid.training.run.program import Stateful
from scenivid.training.run.random_state import generator
from scenivid.training.run.speed import Mixed, adam
from scenivid.training.run.world import World
from scenivid.training.stylegan.ada import AdaptiveProbability, augment
from scenivid.training.stylegan.diffaugment import diff_augment
from scenivid.training.stylegan.losses import (
    discriminator_loss,
    generator_loss,
    mix_styles,
    path_lengths,
    path_penalty,
    r1_penalty,
)
from scenivid.training.stylegan.settings import GanSettings

Net = TypeVar("Net", bound=nn.Module)
Extra = Callable[[Tensor, Tensor, Sequence[Tensor]], Mapping[str, Tensor]]
"""(images [N, 3, H, W] in [-1, 1], w [N, latents, D], noise) to weighted losses by name."""


class PathMean(nn.Module):
    """The moving mean of the path lengths, kept with the checkpoint."""

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(()))


class Gan:
    """Networks, average and optimisers of one training; every draw is a function of (seed, step).

    Args:
        critic: the second discriminator that `settings.features` asks for, see `feature_critic`.
    """

    def __init__(
        self, g: Generator, d: Discriminator, settings: GanSettings, seed: int, world: World,
        critic: FeatureCritic | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.seed, self.world, self.device = settings, seed, world, world.device
        device = world.device
        self.g, self.d = _moved(g, device).train(), _moved(d, device).train()
        self.ema = _moved(Generator(g.params), device).eval().requires_grad_(False)
        self.ema.load_state_dict(g.state_dict())
        self.path_mean = _moved(PathMean(), device)
        self.ada = _moved(AdaptiveProbability(1.0 if settings.augment == "diffaugment" else 0.0), device)
        self.mixed = Mixed(device, settings.precision)
        freeze(self.g, self.d, settings)
        self.g_weights = [p for p in self.g.parameters() if p.requires_grad]
        self.d_weights = [p for p in self.d.parameters() if p.requires_grad]
        self.g_optimizer = _adam(
            self.g_weights, settings.learning_rate, settings.path_every if settings.path else 0, device
        )
        self.d_optimizer = _adam(self.d_weights, settings.learning_rate, settings.r1_every, device)
        self.critic = critic
        self.critic_optimizer: torch.optim.Adam | None = None
        if critic is not None:
            self.critic_optimizer = _adam(list(critic.parameters()), settings.learning_rate, 0, device)

    def state(self) -> dict[str, Stateful]:
        """For the loop's checkpoint."""
        held: dict[str, Stateful] = {
            "g": self.g, "d": self.d, "g_ema": self.ema, "path_mean": self.path_mean, "ada": self.ada,
            "g_optimizer": self.g_optimizer, "d_optimizer": self.d_optimizer, **self.mixed.state(),
        }  # fmt: skip
        if self.critic is not None and self.critic_optimizer is not None:
            held |= {"critic": self.critic, "critic_optimizer": self.critic_optimizer}
        return held

    def discriminator_step(self, real: Tensor, index: int) -> dict[str, Tensor]:
        """One step of D on real images [N, 3, H, W] in [-1, 1]; R1 every `r1_every` steps."""
        rng, settings = self._random(2, index), self.settings
        with torch.no_grad():
            w, noise = self._draw(len(real), rng, self._crossover(2, index))
            with self.mixed.cast():
                fake = self.g(w, noise).float()
        with self.mixed.cast():
            fake_logits = self.d(self._augment(fake, rng)).float()
            real_logits = self.d(self._augment(real, rng)).float()
        loss = discriminator_loss(real_logits, fake_logits)
        self._descend(self.d_optimizer, loss)
        logged = {
            "d_loss": loss.detach(),
            "d_real": real_logits.detach().mean(),
            "d_fake": fake_logits.detach().mean(),
        }
        if self.critic is not None and self.critic_optimizer is not None:
            with self.mixed.cast():
                seen = (from_signed(self._augment(images, rng)) for images in (fake, real))
                loss = self.critic(*seen)
            self._descend(self.critic_optimizer, loss)
            logged["critic"] = loss.detach()
        if settings.augment in ("ada", "adaptive-diffaugment"):
            sign = self.world.mean(real_logits.detach().sign().mean())
            self.ada.update(sign, len(real) * self.world.size, settings.ada_target, settings.ada_images)
            logged["ada_p"] = self.ada.value.clone()
        if settings.r1 and index % settings.r1_every == 0:
            leaf = real.detach().requires_grad_(True)
            penalty = r1_penalty(self.d(self._augment(leaf, rng)), leaf)
            weight = settings.r1 / 2 * settings.r1_every
            self._descend(self.d_optimizer, weight * penalty, scaled=False)
            logged["r1"] = penalty.detach()
        return logged

    def generator_step(self, index: int, extra: Extra | None = None) -> dict[str, Tensor]:
        """One step of G, with `extra` losses on the same images; path length every `path_every` steps."""
        rng, settings = self._random(3, index), self.settings
        with _frozen(self.d_weights):
            w, noise = self._draw(settings.batch, rng, self._crossover(3, index))
            with self.mixed.cast():
                fake = self.g(w, noise).float()
                adversarial = generator_loss(self.d(self._augment(fake, rng)).float())
            parts = dict(extra(fake, w.detach(), noise)) if extra is not None else {}
            if self.critic is not None:
                with self.mixed.cast():
                    seen = from_signed(self._augment(fake, rng))
                    parts["features"] = settings.features * self.critic.blame(seen)
            total = adversarial
            for part in parts.values():
                total = total + part
            self._descend(self.g_optimizer, total)
        logged = {"g_loss": adversarial.detach()} | {name: part.detach() for name, part in parts.items()}
        if settings.path and index % settings.path_every == 0:
            logged |= self._path_step(rng, self._crossover(8, index))
        update_ema(self.ema, self.g, settings.ema)
        return logged

    def joint(self, logged: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The means of logged values over all processes, in one exchange."""
        values = [value.to(self.device, torch.float32) for value in logged.values()]
        return dict(zip(logged, self.world.mean(torch.stack(values)), strict=True))

    def _descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, *, scaled: bool = True) -> None:
        """One step of an optimiser. The regularisers are taken in float32, without a scale."""
        optimizer.zero_grad(set_to_none=True)
        if scaled:
            self.mixed.scale(loss).backward()  # type: ignore[no-untyped-call]
            self.mixed.step(optimizer, joined=self.world.average_gradients)
            self.mixed.update()
        else:
            loss.backward()  # type: ignore[no-untyped-call]
            self.world.average_gradients(optimizer.param_groups[0]["params"])
            optimizer.step()

    def _path_step(self, rng: torch.Generator, crossover: int) -> dict[str, Tensor]:
        settings = self.settings
        w, noise = self._draw(max(1, settings.batch // settings.path_shrink), rng, crossover)
        if not w.requires_grad:  # the mapping is frozen
            w = w.requires_grad_(True)
        images = self.g(w, noise)
        y = torch.randn(images.shape, generator=rng, device=self.device)
        lengths = path_lengths(images, w, y)
        penalty, moved = path_penalty(lengths, self.path_mean.value)
        self.path_mean.value.copy_(self.world.mean(moved))
        weight = settings.path * settings.path_every
        self._descend(self.g_optimizer, weight * penalty, scaled=False)
        return {"path": penalty.detach(), "path_length": lengths.detach().mean()}

    def _random(self, purpose: int, index: int) -> torch.Generator:
        """The device's random stream for one purpose of one step of this process."""
        return generator(self.seed, purpose, index, self.world.rank, device=self.device)

    def _crossover(self, purpose: int, index: int) -> int:
        """The layer from which a second style takes over, now and then; decided on the host."""
        latents = self.g.params.latents
        draws = random.Random(repr((self.seed, purpose, index, self.world.rank)))
        return draws.randrange(1, latents) if draws.random() < self.settings.mixing else latents

    def _draw(self, count: int, rng: torch.Generator, crossover: int) -> tuple[Tensor, list[Tensor]]:
        """Styles [count, latents, D], mixed from layer `crossover` on, and noise planes; in float32."""
        params = self.g.params
        z = torch.randn(2, count, params.style_dim, generator=rng, device=self.device)
        first = self.g.style(z[0])
        second = self.g.style(z[1]) if crossover < params.latents else first
        return mix_styles(first, second, crossover, params.latents), self.g.make_noise(count, rng)

    def _augment(self, images: Tensor, rng: torch.Generator) -> Tensor:
        if self.settings.augment == "none":
            return images
        return (augment if self.settings.augment == "ada" else diff_augment)(images, self.ada.value, rng)


def _moved(net: Net, device: torch.device) -> Net:
    """On the device; what is there already isn't touched, as tensors without data can't be moved."""
    there = all(tensor.device == device for tensor in net.state_dict().values())
    return net if there else net.to(device)


def freeze(g: Generator, d: Discriminator, settings: GanSettings) -> None:
    """FreezeG and FreezeD: switch off the gradients of what shall stay.

    Raises:
        ConfigError: more blocks or layers than the networks have.
    """
    blocks = list(g.blocks())
    if settings.trained_blocks > len(blocks) or settings.frozen_d_layers > len(d.convs):
        raise ConfigError(
            f"gan: this network has {len(blocks)} generator blocks and {len(d.convs)} discriminator layers; "
            f"got trained_blocks {settings.trained_blocks}, frozen_d_layers {settings.frozen_d_layers}"
        )
    g.requires_grad_(settings.trained_blocks == 0)
    for _, modules in blocks[len(blocks) - settings.trained_blocks :]:
        for module in modules:
            module.requires_grad_(True)
    d.requires_grad_(True)
    for layer in list(d.convs)[: settings.frozen_d_layers]:
        layer.requires_grad_(False)


def _adam(weights: list[nn.Parameter], rate: float, every: int, device: torch.device) -> torch.optim.Adam:
    """Adam(0, 0.99), corrected for the extra step of a lazy regulariser each `every` steps (appendix B)."""
    share = every / (every + 1) if every else 1.0
    return adam(weights, rate * share, (0.0, 0.99**share), device)


@contextmanager
def _frozen(weights: list[nn.Parameter]) -> Iterator[None]:
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
