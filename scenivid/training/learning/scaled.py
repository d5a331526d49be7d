"""A lite network behind a scale and a shift for each channel: a few thousand numbers that learn a look fast.

    w' = w · (1 + scale),   b' = b · (1 + scale) + shift

What is under them may be trained as well, later; in the end both are one network again.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from scenivid.nets.lite import Lite


class ScaledLite(nn.Module):
    """`Lite`, scaled and shifted."""

    def __init__(self, net: Lite) -> None:
        super().__init__()
        self.net = net
        widths = [conv.out_channels for _, conv in _convolutions(net)]
        self.scale = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths)
        self.shift = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths)

    def forward(self, x: Tensor, strength: float = 1.0) -> Tensor:
        """As `Lite`'s, in training mode.

        Args:
            strength: below 1, what the network's dial makes of it.
        """
        weights = self.weights()
        if strength < 1:
            dialled = functional_call(
                _Dial(self.net, strength), {f"net.{k}": v for k, v in weights.items()}, ()
            )
            weights = weights | dialled
        output: Tensor = functional_call(self.net, weights, (x,))
        return output

    def encode(self, x: Tensor) -> list[Tensor]:
        """Features on the way down, at 1/4, 1/8 and 1/16."""
        features: list[Tensor] = functional_call(_Encoder(self.net), self._under("net."), (x,))
        return features

    def weights(self) -> dict[str, Tensor]:
        """Weights and biases of the convolutions, by name, with a graph to everything."""
        made = {}
        for (name, conv), scale, shift in zip(_convolutions(self.net), self.scale, self.shift, strict=True):
            assert conv.bias is not None
            made[f"{name}.weight"] = conv.weight * (1 + scale)[:, None, None, None]
            made[f"{name}.bias"] = conv.bias * (1 + scale) + shift
        return made

    @torch.no_grad()
    def fold_into(self, other: Lite, share: float) -> None:
        """Move the weights of a plain network by `share` towards these."""
        made = self.weights()
        for name, parameter in other.named_parameters():
            now = made[name] if name in made else self.net.get_parameter(name)
            parameter.lerp_(now.to(parameter.dtype), share)

    def _under(self, prefix: str) -> dict[str, Tensor]:
        return {prefix + name: value for name, value in self.weights().items()}


class _Encoder(nn.Module):
    def __init__(self, net: Lite) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.net.encode(x, (1, 2, 3))


class _Dial(nn.Module):
    def __init__(self, net: Lite, strength: float) -> None:
        super().__init__()
        self.net, self.strength = net, strength

    def forward(self) -> dict[str, Tensor]:
        return self.net.weights_at(self.strength)


def _convolutions(net: Lite) -> list[tuple[str, nn.Conv2d]]:
    return [(name, module) for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
