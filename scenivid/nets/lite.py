"""Lite: our fast feed-forward generators, without any normalisation that depends on the data.

Every output pixel is a fixed function of the pixels within `Lite.radius`, so tiles join exactly and nothing
can pump or flicker of its own accord. Shaped for CPUs: the image enters by a convolution of stride 4, the
work happens at 1/4, 1/8 and 1/16 of the size, and a thin head at 1/2, which sees the image again, draws crisp
edges and lines. Beside colours it predicts how far they cover the image, so that texture can vanish under
paint and letters shine through:

    flat = x + cover · (base − x) + colour,   0 ≤ cover ≤ 1

where base is the image under a flat brush (`nets.brush`), or middle grey for networks without one. A map of
its own can turn the colour of base into that of paint, whatever lies around: what is so learnt from some
pictures holds for all. And a line field, which `scenivid.ink.compose` draws over the flat colours.

Convolutions pad with zeros, which costs nothing; so that no border shows, the frame is first extended by
`BORDER` pixels, whose results are thrown away. A network with a dial can paint less strongly: see `Lite.at`.
Channels are multiples of 8 and memory is channels-last, which is what matrix units like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn, no_grad, zeros

from scenivid.nets.brush import dabbed
from scenivid.nets.lite_shape import BORDER, GENTLEST, MULTIPLE, SLOPE, LiteParams, receptive_radius

__all__ = ["BORDER", "GENTLEST", "Lite", "LiteParams", "receptive_radius"]


class Block(nn.Module):
    """x + conv(act(conv(x)))."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.second(_act(self.first(x)))
        return x + residual


class Lite(nn.Module):
    """[N, 3, H, W] in [0, 1] to [N, 4, H, W]: flat RGB and a line field, all in [0, 1] (3 without lines).

    H and W are multiples of `multiple`. Paint and image are added in full precision, whatever the precision
    of the weights. In training mode the sum is returned as it is, so that no gradient is lost, and the border
    is the caller's to leave out; in eval mode the result is clamped.
    """

    multiple = MULTIPLE
    feature_layers = (0, 1, 2, 3)

    def __init__(self, params: LiteParams | None = None) -> None:
        super().__init__()
        self.params = params = params or LiteParams()
        quarter, eighth, sixteenth = params.widths
        self.stem = nn.Conv2d(3, quarter, 8, stride=4, padding=2)
        self.encode4 = _blocks(quarter, [1] * params.encode_blocks[0])
        self.down8 = nn.Conv2d(quarter, eighth, 2, stride=2)
        self.encode8 = _blocks(eighth, [1] * params.encode_blocks[1])
        self.down16 = nn.Conv2d(eighth, sixteenth, 2, stride=2)
        self.middle = _blocks(sixteenth, params.middle_dilations)
        self.up8 = nn.Conv2d(sixteenth, eighth, 1)
        self.decode8 = _blocks(eighth, [1] * params.decode_blocks[1])
        self.up4 = nn.Conv2d(eighth, quarter, 1)
        self.decode4 = _blocks(quarter, [1] * params.decode_blocks[0])
        self.up2 = nn.Conv2d(quarter, 4 * params.head, 1)
        self.head = nn.Conv2d(params.head, params.head, 3, padding=1)
        self.glance = nn.Conv2d(3, params.head, 4, stride=2, padding=1)
        self.cover = nn.Conv2d(params.head, 4, 3, padding=1)
        self.out = nn.Conv2d(params.head, 4 * self.channels, 3, padding=1)
        if params.tone:
            self.tone = nn.Sequential(
                nn.Conv2d(3, params.tone, 2, stride=2),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(params.tone, params.tone, 1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(params.tone, 3, 1),
            )
        self._initialise()
        widths = [conv.out_channels for _, conv in self._convolutions()] if params.dial else []
        self.dial_gain = nn.ParameterList(nn.Parameter(zeros(width)) for width in widths)
        self.dial_shift = nn.ParameterList(nn.Parameter(zeros(width)) for width in widths)

    @property
    def channels(self) -> int:
        """Of the output: 3, or 4 with a line field."""
        return 4 if self.params.line else 3

    @property
    def radius(self) -> int:
        """Farthest pixel, in rows or columns, that an output pixel depends on (exact)."""
        return receptive_radius(self.params)

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of each layer that `encode` gives, 0 to 3."""
        return (3, *self.params.widths)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return self._decode(x, self._encode(x))
        x = F.pad(x, (BORDER,) * 4, mode="replicate")
        y = self._decode(x, self._encode(x))
        return y[..., BORDER:-BORDER, BORDER:-BORDER].clamp(0, 1)

    def forward_with_features(
        self, x: Tensor, layers: Sequence[int] = feature_layers
    ) -> tuple[Tensor, list[Tensor]]:
        """What `forward` (in training mode) and `encode` give, from one pass."""
        features = self._encode(x)
        return self._decode(x, features), [features[layer] for layer in layers]

    def encode(self, x: Tensor, layers: Sequence[int] = feature_layers) -> list[Tensor]:
        """Features on the way down, for patch-wise losses.

        Args:
            x: [N, 3, H, W] in [0, 1].
            layers: Any of 0 (the image), 1, 2 and 3 (at 1/4, 1/8 and 1/16).
        """
        features = self._encode(x)
        return [features[layer] for layer in layers]

    def at(self, strength: float) -> Lite:
        """A network without a dial that paints at this strength.

        Args:
            strength: `GENTLEST` to 1, where 1 is what `forward` gives.

        Returns:
            A copy; the network itself if it has no dial.
        """
        if not self.params.dial:
            return self
        fixed = Lite(replace(self.params, dial=False)).to(self.stem.weight)
        with no_grad():
            for name, value in self.weights_at(strength).items():
                fixed.get_parameter(name).copy_(value)
        return fixed.train(self.training)

    def weights_at(self, strength: float) -> dict[str, Tensor]:
        """The convolutions' weights and biases at a strength, by name, with a graph to the dial.

        The dial scales and shifts what each channel of each convolution gives, in proportion to 1 − strength;
        and the last convolutions, which make what is added to the image, are scaled by the strength.
        """
        last = [self.out, self.cover, *self._tone_ends()]
        restraint, weights = 1 - strength, {}
        dial = zip(self._convolutions(), self.dial_gain, self.dial_shift, strict=True)
        for (name, conv), gain, shift in dial:
            scale = (1 + restraint * gain) * (strength if conv in last else 1)
            weights[f"{name}.weight"] = conv.weight * scale[:, None, None, None]
            weights[f"{name}.bias"] = conv.bias * scale + restraint * shift
        return weights

    def _convolutions(self) -> list[tuple[str, nn.Conv2d]]:
        return [(name, module) for name, module in self.named_modules() if isinstance(module, nn.Conv2d)]

    def _tone_ends(self) -> list[nn.Conv2d]:
        """The last convolution of the map of tones, if there is one."""
        return [conv for name, conv in self._convolutions() if name.startswith("tone.")][-1:]

    def _encode(self, x: Tensor) -> list[Tensor]:
        seen = x.to(self.stem.weight.dtype)
        quarter = self.encode4(_act(self.stem(seen)))
        eighth = self.encode8(self.down8(quarter))
        sixteenth = self.middle(self.down16(eighth))
        return [seen, quarter, eighth, sixteenth]

    def _decode(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        seen, quarter, eighth, sixteenth = skips
        y = self.decode8(eighth + _double(self.up8(sixteenth)))
        y = self.decode4(quarter + _double(self.up4(y)))
        y = F.pixel_shuffle(_act(self.up2(y)), 2)
        y = _act(self.head(y) + self.glance(seen))
        cover = F.pixel_shuffle(self.cover(y), 2).float().clamp(0, 1)
        paint, x = F.pixel_shuffle(self.out(y), 2).float(), x.float()
        base = dabbed(x, self.params.brush) if self.params.brush else None
        flat = x + cover * ((0.5 if base is None else base) - x)
        if base is not None and self.params.tone:
            flat = flat + _double(self.tone(base.to(self.stem.weight.dtype)).float())
        return F.pad(flat, (0, 0, 0, 0, 0, self.channels - 3)) + paint

    @no_grad()
    def _initialise(self) -> None:
        """He initialisation; residual branches start small, paint near zero, covering half of the image."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=SLOPE)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Block):
                module.second.weight.mul_(0.2)
        self.out.weight.mul_(0.002)
        self.cover.weight.mul_(0.02)
        for shift in self._tone_ends():
            shift.weight.mul_(0.02)
        assert self.cover.bias is not None
        self.cover.bias.fill_(0.5)


def _blocks(width: int, dilations: Sequence[int]) -> nn.Sequential:
    return nn.Sequential(*(Block(width, dilation) for dilation in dilations))


def _act(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
