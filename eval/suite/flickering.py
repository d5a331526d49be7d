"""Networks that flicker on purpose, to measure what coherence does about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from scenivid.errors import ConfigError
from scenivid.nets.checkpoint import ModelCard
from scenivid.nets.lite import Lite
from scenivid.nets.old_lite import OldLite
from scenivid.nets.translator import Translator
from scenivid.styles.stylizer import SMOOTHING, LiteStylizer, StyleState, Stylizer, stylizer_for

NOISY_LAYERS = ("middle", "decode8", "decode4")
"""Lite's features at 1/16, 1/8 and 1/4 of the size: brightness and colour pump, and texture pops."""


@dataclass(frozen=True, eq=False)
class _Count:
    """How many frames have gone by; the noise depends on nothing else."""

    frame: int = 0


@dataclass(frozen=True, eq=False)
class Flickering:
    """A lite style with fresh noise in its features at each frame, the same at each run."""

    inner: LiteStylizer
    amount: float = 0.8
    """Standard deviation of the noise over that of the features."""
    seed: int = 0

    @property
    def card(self) -> ModelCard:
        """The inner style's card, renamed."""
        return replace(self.inner.card, name=f"{self.inner.card.name}+flicker")

    @property
    def multiple(self) -> int:
        """The inner style's."""
        return self.inner.multiple

    @property
    def radius(self) -> None:
        """None: the noise's strength depends on the whole frame."""
        return None

    @property
    def strength(self) -> float:
        """The inner style's."""
        return self.inner.strength

    @property
    def paint_size(self) -> int | None:
        """The inner style's."""
        return self.inner.paint_size

    @property
    def ink(self) -> float | None:
        """The inner style's."""
        return self.inner.ink

    @property
    def bytes_per_pixel(self) -> float:
        """The inner style's."""
        return self.inner.bytes_per_pixel

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: StyleState | None, tile: int | None
    ) -> tuple[Tensor, StyleState | None]:
        """As in `Stylizer`; tiles are ignored."""
        first = state.frame if isinstance(state, _Count) else 0
        styled = []
        for index, frame in enumerate(image.split(1)):  # type: ignore[no-untyped-call]
            generator = torch.Generator().manual_seed((self.seed << 32) + first + index)
            with _noisy(self.inner.network, self.amount, generator):
                styled.append(self.inner.translate(frame, [cuts[index]], None, None)[0])
        return torch.cat(styled), _Count(first + len(image))


def flickering(style: Stylizer, amount: float = 0.8, seed: int = 0) -> Flickering:
    """Make a lite style flicker.

    Raises:
        ConfigError: the style isn't a lite network.
    """
    if not isinstance(style, LiteStylizer):
        raise ConfigError(f"noise goes into the features of a lite style; {style.card.name!r} is none")
    return Flickering(style, amount, seed)


def fixed_translator(device: torch.device, precision: str = "auto", seed: int = 0) -> Stylizer:
    """The paper's G with random weights that are always the same: its instance norms are what is tested.

    The published weights can't be shipped. Weights of unit gain keep the features alive; the last
    convolution is scaled so that the picture has an ordinary contrast.
    """
    network = Translator()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        for module in convolutions:
            fan_in = module.weight[0].numel()
            module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * (2 / fan_in) ** 0.5)
            if module.bias is not None:
                module.bias.zero_()
        convolutions[-1].weight.mul_(0.3)
    card = ModelCard(name=f"translator-random-{seed}", architecture="translator")
    return stylizer_for(network, card, device, precision, SMOOTHING)


@contextmanager
def _noisy(network: Lite | OldLite, amount: float, generator: torch.Generator) -> Iterator[None]:
    def disturb(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        noise = torch.randn(output.shape, generator=generator).to(output)
        return output + amount * output.float().std().to(output.dtype) * noise

    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_hook(disturb) for name in NOISY_LAYERS]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
