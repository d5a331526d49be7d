"""Lite as it was before line fields: for the style files that people trained with it.

Every output pixel is a fixed function of the pixels within `Lite.radius`, so tiles join exactly and nothing
can pump or flicker of its own accord. Little is spent at full resolution: the image enters through a 2 × 2
space-to-depth, most of the work happens at a quarter, and a branch at 1/8 and 1/16 sees far, so that a region
is painted as one region instead of with a halo around its edge.

No checkerboard, no dark border, by construction: going down is a 2 × 2 mean and a convolution, going up is
bilinear and a convolution, and all padding replicates, so that a flat image comes out flat to the last row.
A network with a dial can paint less strongly: see `Lite.at`.
Channels are multiples of 16 and memory is channels-last, which is what bf16 matrix units like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor, cat, nn, no_grad, zeros

from scenivid.errors import ConfigError
from scenivid.nets.lite_shape import doubled, grow, halve, union

_SLOPE = 0.1


@dataclass(frozen=True)
class OldLiteParams:
    """Size of a Lite network. The default has 1.3 M parameters."""

    widths: tuple[int, int, int, int] = (32, 64, 96, 96)
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the size; multiples of 16."""
    encode_blocks: tuple[int, int] = (1, 1)
    """Residual blocks on the way down, at 1/4 and 1/8."""
    middle_dilations: tuple[int, ...] = (1, 2, 2)
    """One residual block at 1/16 for each: the dilation of its first convolution."""
    decode_blocks: tuple[int, int] = (3, 1)
    """Residual blocks on the way up, at 1/4 and 1/8."""
    head: int = 16
    """Channels at full resolution, the three of the image included; a multiple of 16."""
    dial: bool = False
    """Whether the network can paint at less than full strength (see `Lite.at`)."""

    def __post_init__(self) -> None:
        for name in ("widths", "encode_blocks", "middle_dilations", "decode_blocks"):
            object.__setattr__(self, name, tuple(int(value) for value in getattr(self, name)))
        if len(self.widths) != 4 or len(self.encode_blocks) != 2 or len(self.decode_blocks) != 2:
            raise ConfigError("lite: widths takes four numbers, encode_blocks and decode_blocks two each")
        if any(width < 16 or width % 16 for width in (*self.widths, self.head)):
            raise ConfigError(f"lite: widths {self.widths} and head {self.head} must be multiples of 16")
        if min(*self.encode_blocks, *self.decode_blocks) < 0 or min(self.middle_dilations, default=1) < 1:
            raise ConfigError("lite: block counts must be at least 0 and dilations at least 1")


class Block(nn.Module):
    """x + conv(relu(conv(x))), replicated once at the border for both convolutions."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.reach = dilation + 1
        self.first = nn.Conv2d(width, width, 3, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(F.pad(x, (self.reach,) * 4, mode="replicate"))
        residual: Tensor = self.second(F.leaky_relu(inner, _SLOPE, inplace=True))
        return x + residual


class OldLite(nn.Module):
    """Image to image, [N, 3, H, W] in [0, 1] to the same; H and W multiples of `multiple`.

    The network predicts what to add to the image, in full precision whatever the precision of the weights. In
    training mode the sum is returned as it is, so that no gradient is lost; in eval mode it is clamped.
    """

    multiple = 16
    feature_layers = (0, 1, 2, 3, 4)

    def __init__(self, params: OldLiteParams | None = None) -> None:
        super().__init__()
        self.params = params = params or OldLiteParams()
        half, quarter, eighth, sixteenth = params.widths
        self.stem = nn.Conv2d(12, half, 3)
        self.down4 = nn.Conv2d(half, quarter, 3)
        self.encode4 = _blocks(quarter, [1] * params.encode_blocks[0])
        self.down8 = nn.Conv2d(quarter, eighth, 3)
        self.encode8 = _blocks(eighth, [1] * params.encode_blocks[1])
        self.down16 = nn.Conv2d(eighth, sixteenth, 3)
        self.middle = _blocks(sixteenth, params.middle_dilations)
        self.up8 = nn.Conv2d(sixteenth, eighth, 1)
        self.decode8 = _blocks(eighth, [1] * params.decode_blocks[1])
        self.up4 = nn.Conv2d(eighth, quarter, 1)
        self.decode4 = _blocks(quarter, [1] * params.decode_blocks[0])
        self.up2 = nn.Conv2d(quarter, half, 1)
        self.decode2 = nn.Conv2d(half, half, 3)
        self.up1 = nn.Conv2d(half, params.head - 3, 1)
        self.head = nn.Conv2d(params.head, params.head, 3)
        self.out = nn.Conv2d(params.head, 3, 3)
        self._initialise()
        widths = [conv.out_channels for _, conv in self._convolutions()] if params.dial else []
        self.dial_gain = nn.ParameterList(nn.Parameter(zeros(width)) for width in widths)
        self.dial_shift = nn.ParameterList(nn.Parameter(zeros(width)) for width in widths)

    @property
    def radius(self) -> int:
        """Farthest pixel, in rows or columns, that an output pixel depends on (exact)."""
        return receptive_radius(self.params)

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of each layer that `encode` gives, 0 to 4."""
        return (3, *self.params.widths)

    def forward(self, x: Tensor) -> Tensor:
        return self._decode(x, self._encode(self._cast(x)))

    def forward_with_features(
        self, x: Tensor, layers: Sequence[int] = feature_layers
    ) -> tuple[Tensor, list[Tensor]]:
        """What `forward` and `encode` give, from one pass."""
        features = self._encode(self._cast(x))
        return self._decode(x, features), [features[layer] for layer in layers]

    def at(self, strength: float) -> OldLite:
        """A network without a dial that paints at this strength.

        Args:
            strength: `GENTLEST` to 1, where 1 is what `forward` gives.

        Returns:
            A copy; the network itself if it has no dial.
        """
        if not self.params.dial:
            return self
        fixed = OldLite(replace(self.params, dial=False)).to(self.stem.weight)
        with no_grad():
            for name, value in self.weights_at(strength).items():
                fixed.get_parameter(name).copy_(value)
        return fixed.train(self.training)

    def weights_at(self, strength: float) -> dict[str, Tensor]:
        """The convolutions' weights and biases at a strength, by name, with a graph to the dial.

        The dial scales and shifts what each channel of each convolution gives, in proportion to 1 − strength;
        and the last convolution, which makes what is added to the image, is scaled by the strength.
        """
        restraint, weights = 1 - strength, {}
        dial = zip(self._convolutions(), self.dial_gain, self.dial_shift, strict=True)
        for (name, conv), gain, shift in dial:
            scale = (1 + restraint * gain) * (strength if conv is self.out else 1)
            weights[f"{name}.weight"] = conv.weight * scale[:, None, None, None]
            weights[f"{name}.bias"] = conv.bias * scale + restraint * shift
        return weights

    def _convolutions(self) -> list[tuple[str, nn.Conv2d]]:
        return [(name, module) for name, module in self.named_modules() if isinstance(module, nn.Conv2d)]

    def _decode(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        y = _merge(skips[3], self.up8(skips[4]))
        y = _merge(skips[2], self.up4(self.decode8(y)))
        y = _merge(skips[1], self.up2(self.decode4(y)))
        y = self.up1(_act(_conv3(self.decode2, _act(y))))
        y = cat([_double(y), skips[0]], 1)
        residual = _conv3(self.out, _act(_conv3(self.head, y)))
        result = x.float() + residual.float()
        return result if self.training else result.clamp(0, 1)

    def encode(self, x: Tensor, layers: Sequence[int] = feature_layers) -> list[Tensor]:
        """Features on the way down, for patch-wise losses.

        Args:
            x: [N, 3, H, W] in [0, 1].
            layers: Any of 0 (the image), 1, 2, 3 and 4 (at 1/2, 1/4, 1/8 and 1/16).
        """
        features = self._encode(self._cast(x))
        return [features[layer] for layer in layers]

    def _cast(self, x: Tensor) -> Tensor:
        return x.to(self.stem.weight.dtype)

    def _encode(self, x: Tensor) -> list[Tensor]:
        half = _act(_conv3(self.stem, F.pixel_unshuffle(x, 2)))
        quarter = self.encode4(_conv3(self.down4, F.avg_pool2d(half, 2)))
        eighth = self.encode8(_conv3(self.down8, F.avg_pool2d(quarter, 2)))
        sixteenth = self.middle(_conv3(self.down16, F.avg_pool2d(eighth, 2)))
        return [x, half, quarter, eighth, sixteenth]

    @no_grad()
    def _initialise(self) -> None:
        """He initialisation; residual branches start small and the output near zero: near the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=_SLOPE)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for module in self.modules():
            if isinstance(module, Block):
                module.second.weight.mul_(0.2)
        self.out.weight.mul_(0.002)


def receptive_radius(params: OldLiteParams) -> int:
    """Radius in pixels of what one output pixel of `Lite(params)` depends on, over all phases of the grid."""
    farthest = 0
    for position in range(OldLite.multiple):
        low, high = _reach(params, position)
        farthest = max(farthest, position - low, high - position)
    return farthest


def _reach(params: OldLiteParams, position: int) -> tuple[int, int]:
    """First and last input column that output column `position` depends on: the network run backwards."""
    half = halve(grow((position, position), 2))
    half = grow(half, 1)
    decode4 = grow(halve(half), 2 * params.decode_blocks[0])
    decode8 = grow(halve(decode4), 2 * params.decode_blocks[1])
    sixteenth = grow(halve(decode8), sum(dilation + 1 for dilation in params.middle_dilations) + 1)
    eighth = grow(union(decode8, doubled(sixteenth)), 2 * params.encode_blocks[1] + 1)
    quarter = grow(union(decode4, doubled(eighth)), 2 * params.encode_blocks[0] + 1)
    half = grow(union(half, doubled(quarter)), 1)
    return union(doubled(half), (position - 2, position + 2))


def _blocks(width: int, dilations: Sequence[int]) -> nn.Sequential:
    return nn.Sequential(*(Block(width, dilation) for dilation in dilations))


def _conv3(conv: nn.Conv2d, x: Tensor) -> Tensor:
    result: Tensor = conv(F.pad(x, (1, 1, 1, 1), mode="replicate"))
    return result


def _act(x: Tensor) -> Tensor:
    return F.leaky_relu(x, _SLOPE)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _merge(skip: Tensor, coarse: Tensor) -> Tensor:
    return skip + _double(coarse)
