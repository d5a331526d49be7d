"""Stylizers: networks ready for video, whatever they want inside. [0, 1] in, [0, 1] out, tiles or not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.ink import DEFAULT_INK
from scenivid.machine.devices import choose_dtype
from scenivid.nets.checkpoint import ModelCard
from scenivid.nets.lite import Lite
from scenivid.nets.lite_shape import GENTLEST, PAINTED_AT
from scenivid.nets.norms import Moments, smooth
from scenivid.nets.old_lite import OldLite
from scenivid.nets.translator import Translator
from scenivid.pixels import from_signed, pad, to_signed, unpad
from scenivid.styles.layerwise import translate_tiled, translate_whole
from scenivid.styles.tiling import check_tile, run_tiled

SMOOTHING = 4.0
"""Default time constant of the translator's normalisation moments, in frames.

Longer ones let through more of the source's own changes of brightness, which per-frame moments cancel."""
_log = logging.getLogger(__name__)


StyleState: TypeAlias = object
"""What a stylizer carries from one call to the next: its own business, nobody else looks inside."""


class Stylizer(Protocol):
    """A style, on its device and in its precision."""

    @property
    def card(self) -> ModelCard:
        """What is known of the network."""

    @property
    def multiple(self) -> int:
        """The network's own constraint on H and W; `translate` pads, so callers needn't."""

    @property
    def radius(self) -> int | None:
        """How far, in pixels, an output pixel looks; None: at the whole frame."""

    @property
    def bytes_per_pixel(self) -> float:
        """Peak working memory for each pixel of one frame, for `tiling.auto_tile`."""

    @property
    def strength(self) -> float:
        """What it paints at, 0 < s ≤ 1: 1, unless it has a dial that was turned down.

        Whoever wanted less blends the rest with the source, see `blend_for`."""

    @property
    def paint_size(self) -> int | None:
        """Shorter side, in pixels, that it wants to paint at; None: whatever size comes."""

    @property
    def ink(self) -> float | None:
        """Default darkness of its lines, 0..1; None if it gives no line field."""

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: StyleState | None, tile: int | None
    ) -> tuple[Tensor, StyleState | None]:
        """Stylise consecutive frames.

        Args:
            image: [N, 3, H, W], float in [0, 1], on the stylizer's device; any H and W.
            cuts: For each frame: does a new shot begin here?
            state: What the call for the frames before returned; None at the start.
            tile: Side of a tile in pixels, at least 64; None for the whole frame at once.

        Returns:
            float32, [N, 3, H, W] in [0, 1], or [N, 4, H, W] with a line field behind flat colours, for
            `scenivid.ink.compose`; and the state for the next call, None if there is none.
        """


@dataclass(frozen=True, eq=False)
class LiteStylizer:
    """A Lite network: no state, exact tiles."""

    card: ModelCard
    network: Lite | OldLite
    dtype: torch.dtype
    strength: float = 1.0
    """What the network paints at: less than 1 only if it has a dial that was turned down."""
    run: Callable[[Tensor], Tensor] | None = None
    """The network in another engine: whole frames of one size, [1, 3, H, W], on the CPU."""

    @property
    def multiple(self) -> int:
        return self.network.multiple

    @property
    def radius(self) -> int:
        return self.network.radius

    @property
    def paint_size(self) -> int:
        return self.card.paint or PAINTED_AT

    @property
    def ink(self) -> float | None:
        if isinstance(self.network, OldLite) or not self.network.params.line:
            return None
        return DEFAULT_INK if self.card.ink is None else self.card.ink

    @property
    def bytes_per_pixel(self) -> float:
        return 200.0 * self.dtype.itemsize  # measured: 320 in bf16, 670 in fp32, for the default size

    @torch.inference_mode()
    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: StyleState | None, tile: int | None
    ) -> tuple[Tensor, StyleState | None]:
        padded, padding = pad(image, self.multiple)
        if self.run is not None and tile is None:
            return unpad(torch.cat([self.run(frame) for frame in torch.split(padded, 1)]), padding), None
        padded = padded.contiguous(memory_format=torch.channels_last)
        if tile is not None:
            styled = run_tiled(self._run, padded, tile, self.radius, self.multiple)
        else:
            styled = self._run(padded)
        return unpad(styled, padding), None

    def _run(self, image: Tensor) -> Tensor:
        if (
            image.device.type == "cpu"
        ):  # one after the other: as fast, less memory, and batch size can't matter
            return torch.cat([self.network(frame) for frame in torch.split(image, 1)])
        result: Tensor = self.network(image)
        return result


@dataclass(frozen=True, eq=False)
class _Smoothed:
    """The translator's state."""

    moments: tuple[Moments, ...]
    """Smoothed moments of every normalisation layer after the last frame, each [1, C]."""


@dataclass(frozen=True, eq=False)
class TranslatorStylizer:
    """The paper's G for video: moments shared between tiles, and smoothed over time within a shot."""

    card: ModelCard
    network: Translator
    dtype: torch.dtype
    smoothing: float = SMOOTHING
    """Time constant in frames; 0 normalises each frame on its own, as in training."""

    @property
    def multiple(self) -> int:
        return self.network.multiple

    @property
    def radius(self) -> None:
        return None

    @property
    def strength(self) -> float:
        return 1.0

    @property
    def paint_size(self) -> int | None:
        return self.card.paint

    @property
    def ink(self) -> None:
        return None

    @property
    def bytes_per_pixel(self) -> float:
        return 1200.0 * self.dtype.itemsize

    @torch.inference_mode()
    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: StyleState | None, tile: int | None
    ) -> tuple[Tensor, StyleState | None]:
        if tile is not None:
            check_tile(tile)
        padded, padding = pad(image, self.multiple if min(image.shape[-2:]) >= 8 else 8)
        signed = to_signed(padded).to(self.dtype).contiguous(memory_format=torch.channels_last)
        step = 1 if tile is not None or image.device.type == "cpu" else len(signed)
        styled = []
        for start in range(0, len(signed), step):
            part = slice(start, start + step)
            result, state = self._run(signed[part], cuts[part], state, tile)
            styled.append(from_signed(result.float()))
        return unpad(torch.cat(styled), padding), state

    def _run(
        self, image: Tensor, cuts: Sequence[bool], state: StyleState | None, tile: int | None
    ) -> tuple[Tensor, _Smoothed]:
        assert state is None or isinstance(state, _Smoothed), "a state of another stylizer"
        before = None if state is None else state.moments
        kept: list[Moments] = []

        def adapt(number: int, measured: Moments) -> Moments:
            previous = None if before is None else before[number]
            used, last = smooth(measured, previous, cuts, self.smoothing)
            kept.append(last)
            return used

        if tile is None:
            styled = translate_whole(self.network, image, adapt)
        else:
            styled = translate_tiled(self.network, image, adapt, tile)
        return styled, _Smoothed(tuple(kept))


def stylizer_for(
    network: torch.nn.Module,
    card: ModelCard,
    device: torch.device,
    precision: str,
    smoothing: float,
    strength: float = 1.0,
) -> Stylizer:
    """Move a trained network to its device and precision and wrap it.

    Args:
        strength: 0..1, for networks with a dial, which paint at no less than `GENTLEST`; the others paint at
            full strength. `blend_for` tells what is left to do.

    Raises:
        ConfigError: The network isn't a style, the precision doesn't suit the device, or no such strength.
    """
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength must lie in [0, 1], got {strength}")
    dtype = choose_dtype(precision, device)
    painted_at = 1.0
    if isinstance(network, Lite | OldLite) and network.params.dial:
        painted_at = max(strength, GENTLEST)
        network = network.at(painted_at)
    network = network.eval().requires_grad_(False).to(device, dtype)
    network = network.to(memory_format=torch.channels_last)
    if isinstance(network, Lite | OldLite):
        return LiteStylizer(card, network, dtype, painted_at)
    if isinstance(network, Translator):
        network.model[-2].float()  # the last convolution decides the colours: 1 % of the work, no banding
        return TranslatorStylizer(card, network, dtype, smoothing)
    raise ConfigError(f"{card.name!r} is a {card.architecture} network, not a style")


def stateless(stylizer: Stylizer) -> bool:
    """Whether frames may be painted side by side: nothing is remembered from one to the next."""
    return isinstance(stylizer, LiteStylizer)


def blend_for(stylizer: Stylizer, strength: float) -> float:
    """Share of the stylised frame in a blend with the source that makes up for what a dial hasn't done."""
    return min(strength / stylizer.strength, 1.0)
